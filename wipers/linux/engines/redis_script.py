"""What is done within a Redis server at one stroke: count, sum what stays, take out, sum again.

Nobody else is served meanwhile, so both sums are of the same data; of a text of more than 16 MiB they take its length
and a MiB of each end, since a copy of it would have to fit beside it, and of another key that takes more the number of
its parts and a thousand of them, or 16 MiB. All keys are counted, and all parts of a key of which parts go; so many at
most are summed, and of so many bytes, the same ones before and after, and how many were not is told. Of a stream see
`redis_stream_script`. What goes of a list is first made a text of our own: by its own text each would read the whole
list. While the server writes a file nothing is done: what was copied for it would be left behind.
A key of our own tells afterwards that the stroke was done, as long as no crash of the server undid it; it ends by
itself after 14 days.
"""

from __future__ import annotations

from wipers.linux.engines.redis_stream_script import STREAMS

NEEDED = (
    "EVAL x 0",
    "KEYS x",
    "TYPE x",
    "DUMP x",
    "MEMORY USAGE x",
    "GETRANGE x 0 1",
    "STRLEN x",
    "INFO",
    "CLIENT LIST",
    "DEL x",
    "SET x y",
    "GET x",
    "FLUSHDB",
    "FLUSHALL",
    "BGSAVE",
    "BGREWRITEAOF",
    "SLOWLOG RESET",
    "ACL LOG RESET",
    "MEMORY PURGE",
)
"""Commands that a withdrawal gives: one that is refused amid it would leave the work half done."""
READING = (
    "HLEN x",
    "HSCAN x 0",
    "HMGET x y",
    "SCARD x",
    "SSCAN x 0",
    "SMISMEMBER x y",
    "ZCARD x",
    "ZRANGE x 0 1",
    "ZMSCORE x y",
    "LLEN x",
    "LRANGE x 0 1",
    "XLEN x",
    "XRANGE x - +",
)
"""Commands by which parts of keys are read, of those that go and of large ones that stay."""
NEEDED_FOR = {
    "hash": ("HDEL x y",),
    "set": ("SREM x y",),
    "zset": ("ZREM x y",),
    "list": ("LSET x 0 y", "LREM x 0 y"),
    "stream": (
        "XINFO STREAM x",
        "XADD x 1-1 a b",
        "XGROUP CREATE x g 0",
        "XREVRANGE x + -",
        "XTRIM x MINID 1-1",
        "UNLINK x",
        "XCLAIM x g c 0 1-1",
        "XSETID x 1-1",
        "XDEL x 1-1",
        "PEXPIRE x 1",
        "PEXPIREAT x 1",
        "PERSIST x",
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

local SIZE = {hash = 'hlen', set = 'scard', zset = 'zcard', list = 'llen', stream = 'xlen'}
local VALUES = {hash = 'hmget', set = 'smismember', zset = 'zmscore'}

local BYTES = 16777216

-- So many parts that they are about a MiB, and a thousand at most.
local function step_of(key, kind)
  local size = redis.call(SIZE[kind], key)
  if size == 0 then return 1 end
  return math.max(1, math.min(1000, math.floor(1048576 * size / redis.call('memory', 'usage', key))))
end

local function each_part(key, kind, each)
  local at, from, step = 0, '-', step_of(key, kind)
  while true do
    local found
    if kind == 'list' then found = redis.call('lrange', key, at, at + step - 1)
    else found = redis.call('xrange', key, from, '+', 'count', step) end
    if #found == 0 then return end
    for number, one in ipairs(found) do if each(one, at + number - 1) then return end end
    at = at + #found
    if kind == 'stream' then from = '(' .. found[#found][1] end
  end
end

-- Names that stay, as many as may be summed, and no more than have so many bytes with their values.
local function names_of(key, kind, gone, limit)
  local names, is_known, bytes = {}, {}, 0
  if limit <= 0 or not VALUES[kind] then return names end
  local cursor, begin, each = '0', 0, kind == 'set' and 1 or 2
  local step = step_of(key, kind)
  repeat
    local found
    if kind == 'zset' then
      found = redis.call('zrange', key, begin, begin + step - 1, 'withscores')
      begin = begin + step
      if #found == 0 then cursor = '0' else cursor = '1' end
    else
      local told = redis.call(kind == 'hash' and 'hscan' or 'sscan', key, cursor, 'count', step)
      cursor, found = told[1], told[2]
    end
    for at = 1, #found, each do
      local name = found[at]
      if #names < limit and bytes < BYTES and not gone[name] and not is_known[name] then
        is_known[name] = true
        names[#names + 1] = name
        bytes = bytes + #name + #found[at + each - 1]
      end
    end
  until cursor == '0' or #names >= limit or bytes >= BYTES
  return names
end

local function sum_of_parts(key, kind, gone, names, limit)
  local hash, texts, count, bytes = '', {}, 0, 0
  local function flush()
    if #texts > 0 then hash = redis.sha1hex(hash .. table.concat(texts, ':')) end
    texts = {}
  end
  local function add(name, value)
    value = tostring(value)
    count, bytes = count + 1, bytes + #name + #value
    local at = #texts
    texts[at + 1], texts[at + 2], texts[at + 3], texts[at + 4] = #name, name, #value, value
    if at > 800 or #value > 65536 then flush() end
  end
  if VALUES[kind] then
    local step = math.min(200, step_of(key, kind))
    for at = 1, #names, step do
      local values = redis.call(VALUES[kind], key, unpack(names, at, math.min(at + step - 1, #names)))
      for number, value in ipairs(values) do add(names[at + number - 1], value) end
    end
  elseif limit > 0 and SIZE[kind] then
    each_part(key, kind, function(one)
      if kind == 'list' then if not gone[one] then add(one, '') end
      elseif not gone[one[1]] then add(one[1], #one[2] .. ':' .. table.concat(one[2], string.char(0))) end
      return count >= limit or bytes >= BYTES
    end)
  end
  flush()
  return count, hash
end

local function going(key, kind, items, gone)
  local rows, positions = 0, {}
  if kind == 'list' then
    each_part(key, kind, function(one, at)
      if gone[one] then table.insert(positions, at) end
    end)
    return #positions, positions
  end
  local ask = {hash = 'hexists', set = 'sismember'}
  local is_counted = {}
  for _, one in ipairs(items) do
    if not is_counted[one] then
      if ask[kind] then rows = rows + redis.call(ask[kind], key, one)
      elseif kind == 'zset' and redis.call('zscore', key, one) then rows = rows + 1
      elseif kind == 'stream' then
        local is_id = string.find(one, '^%d+%-%d+$')
        for _, entry in ipairs(is_id and redis.pcall('xrange', key, one, one) or {}) do
          if entry[1] == one then rows = rows + 1 end
        end
      end
    end
    is_counted[one] = true
  end
  return rows, positions
end

-- By database and key: a cursor finds others once the server has moved parts to a wider table.
local names_beside = {}

local function content(database, key)
  local kind = redis.call('type', key)['ok']
  if kind == 'string' then
    local size = redis.call('strlen', key)
    if size <= 16777216 then return redis.call('dump', key) end
    return size .. ':' .. redis.call('getrange', key, 0, 1048575) .. redis.call('getrange', key, -1048576, -1)
  end
  if not SIZE[kind] or redis.call('memory', 'usage', key) <= 16777216 then return redis.call('dump', key) end
  local at = database .. ':' .. key
  names_beside[at] = names_beside[at] or names_of(key, kind, {}, 1000)
  local _, hash = sum_of_parts(key, kind, {}, names_beside[at], 1000)
  return redis.call(SIZE[kind], key) .. ':' .. hash
end

local function sum_of(databases, keys, whole, gone)
  local sum, summed, rows, bytes = {0, 0, 0, 0, 0}, 0, 0, 0
  for _, database in ipairs(databases) do
    redis.call('select', database)
    for _, key in ipairs(keys[database]) do
      local dumped = bytes < 2 * BYTES and content(database, key)
      if dumped then
        summed, bytes = summed + 1, bytes + #dumped
        mix(sum, database .. ':' .. key .. ':' .. redis.call('pexpiretime', key) .. ':' .. dumped)
      end
    end
  end
  local of_parts = ''
  if whole then
    redis.call('select', whole.database)
    local count
    count, of_parts = sum_of_parts(whole.key, whole.kind, gone, whole.names, whole.limit)
    summed = summed + count
    if SIZE[whole.kind] then rows = redis.call(SIZE[whole.kind], whole.key) end
    rows = rows - redis.call('exists', whole.key) - redis.call('exists', whole.new)
  end
  for _, database in ipairs(databases) do
    redis.call('select', database)
    rows = rows + redis.call('dbsize')
  end
  return rows, told(sum) .. of_parts, summed
end
"""
TAKE_OUT = """
local REMOVE = {hash = 'hdel', set = 'srem', zset = 'zrem'}
local mode, database, least, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, of_parts, new, key, mark = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]
local beside = ARGV[10] ~= '' and cjson.decode(ARGV[10]) or nil
local databases, items, at = {}, {}, 12 + tonumber(ARGV[11])
for one = 12, at - 1 do table.insert(databases, ARGV[one]) end
for one = at, #ARGV do table.insert(items, ARGV[one]) end
local about = redis.call('info', 'persistence')
if string.find(about, 'bgsave_in_progress:1') or string.find(about, 'rewrite_in_progress:1') then return {-3} end

local gone, rows, kind, whole, positions = {}, 0, '', nil, {}
redis.call('select', database)
if mode == 'pattern' then items = redis.call('keys', key) end
if mode == 'keys' or mode == 'pattern' then
  for _, one in ipairs(items) do
    if not gone[one] and redis.call('exists', one) == 1 then rows = rows + 1 end
    gone[one] = true
  end
elseif mode == 'elements' then
  kind = redis.call('type', key)['ok']
  for _, one in ipairs(items) do gone[one] = true end
  rows, positions = going(key, kind, items, gone)
  whole = {database = database, key = key, kind = kind, limit = beside and 0 or of_parts, new = new}
  whole.names = names_of(key, kind, gone, of_parts)
elseif mode == 'database' then rows = redis.call('dbsize')
elseif mode == 'cluster' then
  for _, one in ipairs(databases) do
    redis.call('select', one)
    rows = rows + redis.call('dbsize')
  end
end
if rows < least or rows > most then return {rows} end
if beside then
  local is_done, why = pcall(catch_up, key, new, gone, rows, beside)
  if not is_done then return redis.error_reply('UNTOUCHED ' .. tostring(why)) end
  if why < 0 then return {why, cjson.encode(beside)} end
end

local staying, left = {}, limit
for _, one in ipairs(databases) do
  redis.call('select', one)
  staying[one] = {}
  if mode ~= 'cluster' and not (mode == 'database' and one == database) then
    local found
    if redis.call('dbsize') <= left then found = redis.call('keys', '*')
    else found = redis.call('scan', '0', 'count', math.max(left, 1))[2] end
    for _, name in ipairs(found) do
      local is_gone = one == database and (gone[name] and mode ~= 'elements' or whole and (name == key or name == new))
      if not is_gone then table.insert(staying[one], name) end
    end
    left = math.max(left - #found, 0)
  end
end
local all, before, summed = sum_of(databases, staying, whole, gone)
local rows_before = all - rows
redis.call('select', database)
if mode == 'cluster' then redis.call('flushall', 'sync')
elseif mode == 'database' then redis.call('flushdb', 'sync')
elseif kind == 'stream' then
  local is_done, why = pcall(beside and carry_over or rebuild, key, new, gone)
  if not is_done then
    redis.call('del', new)
    return redis.error_reply('UNTOUCHED ' .. tostring(why))
  end
  exchange(key, new, items)
elseif mode == 'elements' then
  for _, at in ipairs(positions) do redis.call('lset', key, at, new) end
  if #positions > 0 then redis.call('lrem', key, 0, new) end
  if REMOVE[kind] then
    for _, one in ipairs(items) do redis.call(REMOVE[kind], key, one) end
  end
else for _, one in ipairs(items) do redis.call('del', one) end end
local rows_after, after = sum_of(databases, staying, whole, {})
if beside then
  before, after = before .. beside.before, after .. beside.after
  summed = summed + redis.call('xlen', key)
end
local done = {rows, rows_before, before, rows_after, after, rows_before - summed}
redis.call('select', database)
redis.call('set', mark, cjson.encode(done), 'ex', 1209600)
return done
"""
SCRIPT = SUMS + STREAMS + TAKE_OUT
