import fengari, { type LuaState } from "fengari";
import { RedisError, type Reply } from "../backend.ts";
import { bulk } from "./command.ts";

const { lua, lauxlib, lualib } = fengari;
const MAX_SCRIPT_MS = 2_000;
const HOOK_EVERY_INSTRUCTIONS = 50_000;
const MAX_DEPTH = 16;
const INT32_MAX = 2 ** 31 - 1;
/** Base functions that read files, print, or load code from elsewhere. */
const REMOVED = ["dofile", "loadfile", "load", "print", "collectgarbage"];

const name = (text: string) => fengari.to_luastring(text);
const toLua = (bytes: string) => Uint8Array.from(Buffer.from(bytes, "latin1"));
const fromLua = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

interface Script {
  script: string;
  keys: string[];
  args: string[];
}

/**
 * Runs a script as EVAL does, with its own machine: KEYS, ARGV, redis.call and redis.pcall, and Redis'
 * conversions (https://redis.io/docs/latest/develop/programmability/lua-api/#data-type-conversion).
 * Throws RedisError when the script cannot be read, fails, or runs longer than MAX_SCRIPT_MS.
 */
export function runScript({ script, keys, args }: Script, call: (command: string[]) => Reply): Reply {
  const L = newMachine();
  setList(L, "KEYS", keys);
  setList(L, "ARGV", args);
  setRedis(L, call);
  limitTime(L);
  const source = toLua(script);
  if (lauxlib.luaL_loadbuffer(L, source, source.length, name("@user_script")) !== lua.LUA_OK) {
    throw new RedisError(`ERR Error compiling script (new function): ${fromLua(lua.lua_tostring(L, -1))}`);
  }
  if (lua.lua_pcall(L, 0, 1, 0) !== lua.LUA_OK) throw failure(L);
  return toReply(L, 0);
}

function newMachine(): LuaState {
  const L = lauxlib.luaL_newstate();
  const libraries = {
    _G: lualib.luaopen_base,
    string: lualib.luaopen_string,
    table: lualib.luaopen_table,
    math: lualib.luaopen_math,
  };
  for (const [library, open] of Object.entries(libraries)) {
    lauxlib.luaL_requiref(L, name(library), open, 1);
    lua.lua_pop(L, 1);
  }
  for (const removed of REMOVED) {
    lua.lua_pushnil(L);
    lua.lua_setglobal(L, name(removed));
  }
  // Lua 5.1, which Redis speaks, has unpack as a global.
  lua.lua_getglobal(L, name("table"));
  lua.lua_getfield(L, -1, name("unpack"));
  lua.lua_setglobal(L, name("unpack"));
  lua.lua_pop(L, 1);
  return L;
}

function setList(L: LuaState, global: string, items: string[]): void {
  lua.lua_createtable(L, items.length, 0);
  items.forEach((item, index) => {
    lua.lua_pushstring(L, toLua(item));
    lua.lua_rawseti(L, -2, index + 1);
  });
  lua.lua_setglobal(L, name(global));
}

function setRedis(L: LuaState, call: (command: string[]) => Reply): void {
  const define = (field: string, raise: boolean) => {
    lua.lua_pushjsfunction(L, (state) => {
      const reply = call(commandOnStack(state));
      pushReply(state, reply);
      return raise && reply instanceof RedisError ? lua.lua_error(state) : 1;
    });
    lua.lua_setfield(L, -2, name(field));
  };
  lua.lua_createtable(L, 0, 2);
  define("call", true);
  define("pcall", false);
  lua.lua_setglobal(L, name("redis"));
}

function limitTime(L: LuaState): void {
  const deadline = Date.now() + MAX_SCRIPT_MS;
  const check = (state: LuaState) => {
    if (Date.now() > deadline)
      lauxlib.luaL_error(state, name(`the script ran longer than ${MAX_SCRIPT_MS} ms`));
  };
  lua.lua_sethook(L, check, lua.LUA_MASKCOUNT, HOOK_EVERY_INSTRUCTIONS);
}

function commandOnStack(L: LuaState): string[] {
  return Array.from({ length: lua.lua_gettop(L) }, (_, index) => {
    const type = lua.lua_type(L, index + 1);
    // Redis' Lua knows doubles only and prints a whole one without ".0".
    if (type === lua.LUA_TNUMBER) return String(lua.lua_tonumber(L, index + 1));
    if (type === lua.LUA_TSTRING) return fromLua(lua.lua_tostring(L, index + 1));
    return lauxlib.luaL_error(L, name("Lua redis lib command arguments must be strings or integers"));
  });
}

function pushReply(L: LuaState, reply: Reply): void {
  if (reply === null) lua.lua_pushboolean(L, false);
  else if (typeof reply === "number") {
    if (Math.abs(reply) <= INT32_MAX) lua.lua_pushinteger(L, reply);
    else lua.lua_pushnumber(L, reply);
  } else if (Buffer.isBuffer(reply)) lua.lua_pushstring(L, Uint8Array.from(reply));
  else if (Array.isArray(reply)) {
    lua.lua_createtable(L, reply.length, 0);
    reply.forEach((item, index) => {
      pushReply(L, item);
      lua.lua_rawseti(L, -2, index + 1);
    });
  } else {
    const [field, text] = reply instanceof RedisError ? ["err", reply.message] : ["ok", reply];
    lua.lua_createtable(L, 0, 1);
    lua.lua_pushstring(L, toLua(text));
    lua.lua_setfield(L, -2, name(field));
  }
}

/** The value on top of the stack as a reply; takes it off. */
function toReply(L: LuaState, depth: number): Reply {
  const reply = depth > MAX_DEPTH ? new RedisError("ERR reached lua stack limit") : topValue(L, depth);
  lua.lua_pop(L, 1);
  return reply;
}

function topValue(L: LuaState, depth: number): Reply {
  switch (lua.lua_type(L, -1)) {
    case lua.LUA_TBOOLEAN:
      return lua.lua_toboolean(L, -1) ? 1 : null;
    case lua.LUA_TNUMBER:
      return Math.trunc(lua.lua_tonumber(L, -1));
    case lua.LUA_TSTRING:
      return bulk(fromLua(lua.lua_tostring(L, -1)));
    case lua.LUA_TTABLE:
      return tableValue(L, depth);
    default:
      return null;
  }
}

function tableValue(L: LuaState, depth: number): Reply {
  const error = textField(L, "err");
  if (error !== null) return new RedisError(error);
  const status = textField(L, "ok");
  if (status !== null) return status;
  const items: Reply[] = [];
  while (lua.lua_rawgeti(L, -1, items.length + 1) !== lua.LUA_TNIL) items.push(toReply(L, depth + 1));
  lua.lua_pop(L, 1);
  return items;
}

function textField(L: LuaState, field: string): string | null {
  const isText = lua.lua_getfield(L, -1, name(field)) === lua.LUA_TSTRING;
  const text = isText ? fromLua(lua.lua_tostring(L, -1)) : null;
  lua.lua_pop(L, 1);
  return text;
}

function failure(L: LuaState): RedisError {
  const type = lua.lua_type(L, -1);
  if (type === lua.LUA_TSTRING) return new RedisError(`ERR ${fromLua(lua.lua_tostring(L, -1))}`);
  const error = type === lua.LUA_TTABLE ? textField(L, "err") : null;
  return new RedisError(error ?? "ERR the script failed");
}
