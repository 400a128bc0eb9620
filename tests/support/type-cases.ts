// One column each: [type, values as SQL]. Whatever a row held, its image and exact texts bring back bit for bit.
export const typeCases: [string, string[]][] = [
  ["smallint", ["'-32768'", "0"]],
  ["bigint", ["9223372036854775807", "'-9223372036854775808'"]],
  [
    "numeric",
    [
      "'NaN'",
      "'Infinity'",
      "1.10",
      "1.100",
      "0.00000000000000000000000000000000000000000000000001",
      "12345678901234567890123456789012345678901234567890",
    ],
  ],
  ["float4", ["'-0'", "0", "'NaN'", "'-Infinity'", "3.4028235e38", "1e-45", "0.1"]],
  ["float8", ["'-0'", "0", "'NaN'", "'Infinity'", "1.7976931348623157e308", "5e-324", "0.1"]],
  ["text", ["''", "'null'", "'\"q\" \\ \n é 😀'", "repeat('x', 20000)"]],
  ["char(5)", ["'ab'", "'     '"]],
  ['"char"', ["'a'"]],
  ["varchar(10)", ["'a  '"]],
  ["name", ["'n'"]],
  ["boolean", ["true", "false"]],
  ["uuid", ["'00000000-0000-7000-8000-000000000001'"]],
  ["bytea", ["''", "'\\x00ff10'"]],
  ["date", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2026-02-28'"]],
  ["time", ["'24:00'", "'12:34:56.789012'"]],
  ["timetz", ["'12:34:56.789012+05:45'"]],
  ["timestamp", ["'infinity'", "'0001-01-01 BC'", "'2026-11-21 12:34:56.789012'"]],
  ["timestamptz", ["'-infinity'", "'2026-11-21 12:34:56.789012+13'", "'4713-01-01 BC'"]],
  ["interval", ["'1 mon -2 days 03:04:05.000006'", "'-1 year 2 days'", "'0'"]],
  ["money", ["1234.56"]],
  ["inet", ["'192.168.0.1/24'", "'::1'"]],
  ["cidr", ["'10.0.0.0/8'"]],
  ["macaddr", ["'08:00:2b:01:02:03'"]],
  ["bit(5)", ["B'10101'"]],
  ["varbit", ["B''", "B'1'"]],
  ["xml", ["'<a b=\"c\">d</a>'"]],
  ["tsvector", ["to_tsvector('english', 'a fat cat')"]],
  ["point", ["'(-0,1e-300)'", "'(0.1,NaN)'"]],
  ["polygon", ["'((0,0),(1,1.5),(2,0))'"]],
  ["json", ["'null'", '\'{"b":1,  "a":2, "a":3}\'', "'12345678901234567890.10'", "'\"x\"'"]],
  ["jsonb", ["'null'", "'{\"a\": null}'", "'12345678901234567890.10'", "'[]'", "'\"null\"'"]],
  ["int[]", ["'{}'", "'{1,null,3}'", "'{{1,2},{3,4}}'", "'[0:2]={1,2,3}'", "'[2:3][0:1]={{1,2},{3,4}}'"]],
  ["text[]", ['\'{null,"null","","a,b","{}"}\'', "'[5:5]={x}'"]],
  ["float8[]", ["'{-0,NaN,0.1}'"]],
  ["jsonb[]", ["array['null'::jsonb, null, '{\"a\": 1}'::jsonb]"]],
  ["timestamptz[]", ["array['infinity', '2026-11-21 12:34:56.789012+13']::timestamptz[]"]],
  ["int4range", ["'empty'", "'[1,)'", "'(,)'"]],
  ["tstzrange", ["'[2026-01-01 00:00+13,infinity)'"]],
  ["daterange", ["'[2026-01-02,2026-02-03)'"]],
  ["nummultirange", ["'{[1.10,2),[3,)}'"]],
  ["app.mood", ["'happy'", "'so-so \"q\"'"]],
  ["app.small", ["7"]],
  ["app.shape", ["row(1, 'a\"b', null)", "row(null, null, '{1,2}'::int[])"]],
  ["app.lossy", ["row('-0', 'null')"]],
  ["app.shape[]", ["array[row(1, 'x', null)]::app.shape[]"]],
  ["app.lossy_domain", ["'-0'"]],
];

/** The types that the cases need. */
export const setUpTypes = `
    create schema app;
    create type app.mood as enum ('happy', 'so-so "q"');
    create domain app.small as int check (value < 10);
    create type app.shape as (a int, b text, c int[]);
    create type app.lossy as (f float8, j json);
    create domain app.lossy_domain as float8;
  `;
