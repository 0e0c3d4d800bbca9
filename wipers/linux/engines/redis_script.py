"""What is done within a Redis server at one stroke: count, sum what stays, take out, sum again.

Nobody else is served meanwhile, so both sums are of the same data; of a text of more than 16 MiB they take its length
and a MiB of each end, since a copy of it would have to fit beside it. A stream is written anew, with its groups and
what they have pending: XDEL only marks an entry, and the server's files would go on holding it. The new one is whole
before anything goes, since a script that fails takes nothing back; an entry may be too wide for one. A key of our own
tells afterwards that the stroke was done, as long as no crash of the server undid it; it ends by itself after 14
days.
"""

from __future__ import annotations

NEEDED = (
    "EVAL x 0",
    "KEYS x",
    "DUMP x",
    "GETRANGE x 0 1",
    "STRLEN x",
    "DEL x",
    "SET x y",
    "GET x",
    "FLUSHDB",
    "FLUSHALL",
    "BGSAVE",
    "BGREWRITEAOF",
    "SLOWLOG RESET",
    "MEMORY PURGE",
)
"""Commands that a withdrawal gives: one that is refused amid it would leave the work half done."""
NEEDED_FOR = {
    "hash": ("HDEL x y",),
    "set": ("SREM x y",),
    "zset": ("ZREM x y",),
    "list": ("LREM x 0 y",),
    "stream": (
        "XINFO STREAM x",
        "XADD x 1-1 a b",
        "XGROUP CREATE x g 0",
        "XCLAIM x g c 0 1-1",
        "XSETID x 1-1",
        "XDEL x 1-1",
        "PEXPIREAT x 1",
        "RENAME x y",
    ),
}
"""Those that it gives for parts of a key besides, by the key's type."""
WIDEST = 7000
"""Names and values of one entry of a stream that a script can write again: Lua hands on fewer than 8,000 at once."""
SUMS = """
local function mix(sum, text)
  local hash = redis.sha1hex(text)
  for part = 1, 5 do
    sum[part] = bit.bxor(sum[part], tonumber(string.sub(hash, part * 8 - 7, part * 8), 16))
  end
end

local function told(sum)
  local found = ''
  for part = 1, 5 do found = found .. bit.tohex(sum[part]) end
  return found
end

local function elements(key, kind, gone, each)
  local function two(list)
    for at = 1, #list, 2 do if not gone[list[at]] then each(list[at], list[at + 1]) end end
  end
  if kind == 'hash' then two(redis.call('hgetall', key))
  elseif kind == 'zset' then two(redis.call('zrange', key, 0, -1, 'withscores'))
  elseif kind == 'set' then
    for _, one in ipairs(redis.call('smembers', key)) do if not gone[one] then each(one, '') end end
  elseif kind == 'list' then
    for _, one in ipairs(redis.call('lrange', key, 0, -1)) do if not gone[one] then each(one, '') end end
  elseif kind == 'stream' then
    for _, one in ipairs(redis.call('xrange', key, '-', '+')) do
      if not gone[one[1]] then each(one[1], table.concat(one[2], string.char(0))) end
    end
  end
end

local function content(key)
  local size = redis.pcall('strlen', key)
  if type(size) ~= 'number' or size <= 16777216 then return redis.call('dump', key) end
  return size .. ':' .. redis.call('getrange', key, 0, 1048575) .. redis.call('getrange', key, -1048576, -1)
end

local function sum_of(databases, keys, whole, kind, gone)
  local sum, rows = {0, 0, 0, 0, 0}, 0
  for _, database in ipairs(databases) do
    redis.call('select', database)
    for _, key in ipairs(keys[database]) do
      local dumped = content(key)
      if dumped then
        rows = rows + 1
        mix(sum, database .. ':' .. key .. ':' .. redis.call('pexpiretime', key) .. ':' .. dumped)
      end
    end
  end
  if whole then
    redis.call('select', whole.database)
    elements(whole.key, kind, gone, function(name, value)
      rows = rows + 1
      mix(sum, whole.key .. ':' .. name .. ':' .. value)
    end)
  end
  return rows, told(sum)
end
"""
REBUILD = """
local function rebuild(key, new, gone)
  local told = {}
  local found = redis.call('xinfo', 'stream', key, 'full', 'count', 0)
  for at = 1, #found, 2 do told[found[at]] = found[at + 1] end
  redis.call('del', new)
  redis.call('xgroup', 'create', new, 'g', '0', 'mkstream')
  redis.call('xgroup', 'destroy', new, 'g')
  for _, entry in ipairs(told['entries']) do
    if not gone[entry[1]] then redis.call('xadd', new, entry[1], unpack(entry[2])) end
  end
  redis.call('xsetid', new, told['last-generated-id'], 'entriesadded', told['entries-added'],
    'maxdeletedid', told['max-deleted-entry-id'])
  for _, flat in ipairs(told['groups']) do
    local group = {}
    for at = 1, #flat, 2 do group[flat[at]] = flat[at + 1] end
    redis.call('xgroup', 'create', new, group['name'], group['last-delivered-id'], 'entriesread',
      group['entries-read'] or -1)
    for _, plain in ipairs(group['consumers']) do
      local consumer = {}
      for at = 1, #plain, 2 do consumer[plain[at]] = plain[at + 1] end
      redis.call('xgroup', 'createconsumer', new, group['name'], consumer['name'])
      for _, one in ipairs(consumer['pel'] or consumer['pending'] or {}) do
        redis.call('xclaim', new, group['name'], consumer['name'], 0, one[1], 'time', one[2],
          'retrycount', one[3], 'force', 'justid')
      end
    end
  end
  local expires = redis.call('pexpiretime', key)
  if expires > 0 then redis.call('pexpireat', new, expires) end
end

local function exchange(key, new, items)
  for _, one in ipairs(items) do redis.call('xdel', key, one) end
  local told, found = {}, redis.call('xinfo', 'stream', key)
  for at = 1, #found, 2 do told[found[at]] = found[at + 1] end
  redis.call('xsetid', new, told['last-generated-id'], 'entriesadded', told['entries-added'],
    'maxdeletedid', told['max-deleted-entry-id'])
  redis.call('rename', new, key)
end
"""
TAKE_OUT = """
local REMOVE = {hash = 'hdel', set = 'srem', zset = 'zrem'}
local mode, database, least, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, new, key, mark = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
local databases, items, at = {}, {}, 10 + tonumber(ARGV[9])
for one = 10, at - 1 do table.insert(databases, ARGV[one]) end
for one = at, #ARGV do table.insert(items, ARGV[one]) end

local gone, rows, kind, whole = {}, 0, '', nil
redis.call('select', database)
if mode == 'pattern' then items = redis.call('keys', key) end
if mode == 'keys' or mode == 'pattern' then
  for _, one in ipairs(items) do
    if not gone[one] and redis.call('exists', one) == 1 then rows = rows + 1 end
    gone[one] = true
  end
elseif mode == 'elements' then
  kind = redis.call('type', key)['ok']
  whole = {database = database, key = key}
  for _, one in ipairs(items) do gone[one] = true end
  local all = 0
  elements(key, kind, {}, function() all = all + 1 end)
  local kept = 0
  elements(key, kind, gone, function() kept = kept + 1 end)
  rows = all - kept
elseif mode == 'database' then rows = redis.call('dbsize')
elseif mode == 'cluster' then
  for _, one in ipairs(databases) do
    redis.call('select', one)
    rows = rows + redis.call('dbsize')
  end
end
if rows < least or rows > most then return {rows} end

local staying, left = {}, limit
for _, one in ipairs(databases) do
  redis.call('select', one)
  staying[one] = {}
  if mode ~= 'cluster' and not (mode == 'database' and one == database) then
    local found
    if redis.call('dbsize') <= left then found = redis.call('keys', '*')
    else found = redis.call('scan', '0', 'count', math.max(left, 1))[2] end
    for _, name in ipairs(found) do
      local is_gone = one == database and (gone[name] and mode ~= 'elements' or whole and name == key)
      if not is_gone then table.insert(staying[one], name) end
    end
    left = math.max(left - #found, 0)
  end
end
local rows_before, before = sum_of(databases, staying, whole, kind, gone)
redis.call('select', database)
if mode == 'cluster' then redis.call('flushall', 'sync')
elseif mode == 'database' then redis.call('flushdb', 'sync')
elseif kind == 'stream' then
  local is_done, why = pcall(rebuild, key, new, gone)
  if not is_done then
    redis.call('del', new)
    return redis.error_reply('UNTOUCHED ' .. tostring(why))
  end
  exchange(key, new, items)
elseif mode == 'elements' then
  for _, one in ipairs(items) do
    if kind == 'list' then redis.call('lrem', key, 0, one)
    elseif REMOVE[kind] then redis.call(REMOVE[kind], key, one) end
  end
else for _, one in ipairs(items) do redis.call('del', one) end end
local rows_after, after = sum_of(databases, staying, whole, kind, {})
redis.call('select', database)
redis.call('set', mark, cjson.encode({rows, rows_before, before, rows_after, after}), 'ex', 1209600)
return {rows, rows_before, before, rows_after, after}
"""
SCRIPT = SUMS + REBUILD + TAKE_OUT
