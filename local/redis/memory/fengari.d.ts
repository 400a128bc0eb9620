/** The part of fengari 0.1 (a Lua 5.3 machine in JavaScript, without types of its own) that `lua.ts` uses. */
declare module "fengari" {
  /** A Lua machine with its stack; opaque. */
  export interface LuaState {
    readonly luaState: unique symbol;
  }
  type LuaFunction = (L: LuaState) => number;

  interface Fengari {
    to_luastring(text: string): Uint8Array;
    lua: {
      LUA_OK: number;
      LUA_MASKCOUNT: number;
      LUA_TNIL: number;
      LUA_TBOOLEAN: number;
      LUA_TNUMBER: number;
      LUA_TSTRING: number;
      LUA_TTABLE: number;
      lua_createtable(L: LuaState, arraySize: number, recordSize: number): void;
      lua_error(L: LuaState): never;
      lua_getfield(L: LuaState, index: number, name: Uint8Array): number;
      lua_gettop(L: LuaState): number;
      lua_pcall(L: LuaState, argumentCount: number, resultCount: number, handler: number): number;
      lua_pop(L: LuaState, count: number): void;
      lua_pushboolean(L: LuaState, value: boolean): void;
      lua_pushjsfunction(L: LuaState, fn: LuaFunction): void;
      lua_pushnil(L: LuaState): void;
      lua_pushinteger(L: LuaState, value: number): void;
      lua_pushnumber(L: LuaState, value: number): void;
      lua_pushstring(L: LuaState, value: Uint8Array): void;
      lua_rawgeti(L: LuaState, index: number, position: number): number;
      lua_rawseti(L: LuaState, index: number, position: number): void;
      lua_setfield(L: LuaState, index: number, name: Uint8Array): void;
      lua_setglobal(L: LuaState, name: Uint8Array): void;
      lua_getglobal(L: LuaState, name: Uint8Array): number;
      lua_sethook(L: LuaState, hook: (L: LuaState) => void, mask: number, count: number): void;
      lua_toboolean(L: LuaState, index: number): boolean;
      lua_tonumber(L: LuaState, index: number): number;
      lua_tostring(L: LuaState, index: number): Uint8Array;
      lua_type(L: LuaState, index: number): number;
    };
    lauxlib: {
      luaL_error(L: LuaState, message: Uint8Array): never;
      luaL_loadbuffer(L: LuaState, source: Uint8Array, size: number | null, name: Uint8Array): number;
      luaL_newstate(): LuaState;
      luaL_requiref(L: LuaState, name: Uint8Array, open: LuaFunction, global: number): void;
    };
    lualib: Record<"luaopen_base" | "luaopen_string" | "luaopen_table" | "luaopen_math", LuaFunction>;
  }
  const fengari: Fengari;
  export default fengari;
}
