"""How a stream is written anew within a Redis server, at one stroke or in pieces between which others are served.

XDEL only marks an entry, and the server's files would go on holding it. So a stream is written anew under a name of
our own, with its groups and what they have pending, and takes the place of the old one when it is whole: a script that
fails takes nothing back, and an entry may be too wide for one.

In pieces the copy follows a stream that others use. It can be told exactly what they did, since an entry never changes
and new ones only come behind: as long as the stream is the same one and nobody set its last id back, the old one
holds of the copied ids what others did not delete. So where it has as many entries as the copy beside what goes, both
hold the same. That it is the same stream is told by a group of ours in it, which nobody else makes; that no last id was
set back by the server's own count of XSETID. What others deleted is deleted from the copy: at the head and at both ends
within the stroke, and elsewhere by a sweep before another one.
"""

from __future__ import annotations

STREAMS = """
local STEP, MOST, PIECE = 20, 1000, 262144

local function set_back()
  return tonumber(string.match(redis.call('info', 'commandstats'), 'cmdstat_xsetid:calls=(%d+)') or '0')
end

local function is_same(key, new, told)
  if redis.call('type', key)['ok'] ~= 'stream' or set_back() ~= told.setids then return false end
  if redis.call('xlen', new) ~= told.length then return false end
  for _, group in ipairs(redis.call('xinfo', 'groups', key)) do
    if group[2] == new then return true end
  end
  return false
end

local function behind(id) return id == '-' and '-' or '(' .. id end

-- What is copied is summed as it was read, and again as it stands in the copy.
local function copy(key, new, gone, to, told)
  local begin, count, bytes, is_whole = told.from, 0, 0, false
  local texts = {told.before}
  while count < MOST and bytes < PIECE do
    local found = redis.call('xrange', key, behind(told.from), to, 'count', STEP)
    is_whole = #found == 0
    if is_whole then break end
    for _, entry in ipairs(found) do
      for _, text in ipairs(entry[2]) do bytes = bytes + #text end
      if not gone[entry[1]] then
        redis.call('xadd', new, entry[1], unpack(entry[2]))
        if told.before then texts[#texts + 1] = cmsgpack.pack(entry) end
      end
    end
    count, told.from = count + #found, found[#found][1]
  end
  if not told.before then return is_whole end
  told.before = redis.sha1hex(table.concat(texts))
  texts = {told.after}
  while true do
    local found = redis.call('xrange', new, behind(begin), '+', 'count', STEP)
    if #found == 0 then break end
    for _, entry in ipairs(found) do texts[#texts + 1] = cmsgpack.pack(entry) end
    begin = found[#found][1]
  end
  told.after = redis.sha1hex(table.concat(texts))
  told.length = redis.call('xlen', new)
  return is_whole, count
end

local function drop_deleted(key, new, found)
  for _, entry in ipairs(found) do
    if #redis.call('xrange', key, entry[1], entry[1]) == 0 then redis.call('xdel', new, entry[1]) end
  end
end

-- 0 where the copy holds what stays, -1 where others deleted more than is seen here, -2 where it is behind, -4 where it
-- is the copy of another stream.
local function catch_up(key, new, gone, rows, told)
  if not is_same(key, new, told) then return -4 end
  if not copy(key, new, gone, '+', told) then return -2 end
  local first = redis.call('xrange', key, '-', '+', 'count', 1)
  if #first > 0 then redis.call('xtrim', new, 'minid', first[1][1])
  else redis.call('xtrim', new, 'maxlen', 0) end
  if redis.call('xlen', new) ~= redis.call('xlen', key) - rows then
    drop_deleted(key, new, redis.call('xrange', new, '-', '+', 'count', MOST))
    drop_deleted(key, new, redis.call('xrevrange', new, '+', '-', 'count', MOST))
  end
  told.length = redis.call('xlen', new)
  return told.length == redis.call('xlen', key) - rows and 0 or -1
end

local function described(key, new)
  local told, found = {}, redis.call('xinfo', 'stream', key)
  for at = 1, #found, 2 do told[found[at]] = found[at + 1] end
  redis.call('xsetid', new, told['last-generated-id'], 'entriesadded', told['entries-added'],
    'maxdeletedid', told['max-deleted-entry-id'])
end

local function carry_over(key, new)
  local most, told = 1, {}
  for _, group in ipairs(redis.call('xinfo', 'groups', key)) do
    for at = 1, #group, 2 do
      if group[at] == 'pending' then most = math.max(most, group[at + 1]) end
    end
  end
  described(key, new)
  local found = redis.call('xinfo', 'stream', key, 'full', 'count', most)
  for at = 1, #found, 2 do told[found[at]] = found[at + 1] end
  for _, flat in ipairs(told['groups']) do
    local group = {}
    for at = 1, #flat, 2 do group[flat[at]] = flat[at + 1] end
    if group['name'] ~= new then
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
  end
  local expires = redis.call('pexpiretime', key)
  if expires > 0 then redis.call('pexpireat', new, expires) else redis.call('persist', new) end
end

local function begin_copy(new)
  redis.call('del', new)
  redis.call('xgroup', 'create', new, new, '0', 'mkstream')
  redis.call('xgroup', 'destroy', new, new)
end

local function rebuild(key, new, gone)
  begin_copy(new)
  local told = {from = '-'}
  repeat until copy(key, new, gone, '+', told)
  carry_over(key, new)
end

local function exchange(key, new, items)
  for _, one in ipairs(items) do redis.pcall('xdel', key, one) end
  described(key, new)
  redis.call('rename', new, key)
end
"""
BEGIN = """
local database, key, new = ARGV[1], ARGV[2], ARGV[3]
redis.call('select', database)
if redis.call('type', key)['ok'] ~= 'stream' then return redis.error_reply('UNTOUCHED no stream') end
begin_copy(new)
redis.call('pexpire', new, 1209600000)
redis.call('xgroup', 'create', key, new, '$')
return cjson.encode({from = '-', length = 0, before = '', after = '', setids = set_back()})
"""
PIECE = """
local database, key, new, told, to = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4]), ARGV[5]
local gone = {}
for at = 6, #ARGV do gone[ARGV[at]] = true end
redis.call('select', database)
if not is_same(key, new, told) then return {-4} end
local is_done, is_whole, count = pcall(copy, key, new, gone, to, told)
if not is_done then return redis.error_reply('UNTOUCHED ' .. tostring(is_whole)) end
if is_whole and to ~= '+' then is_whole, told.from = false, to end
return {is_whole and 0 or -2, cjson.encode(told), count}
"""
SWEEP = """
local database, key, new, told, from = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4]), ARGV[5]
redis.call('select', database)
if not is_same(key, new, told) then return {-4} end
local seen, bytes = 0, 0
while seen < MOST and bytes < PIECE do
  local found = redis.call('xrange', new, behind(from), '+', 'count', STEP)
  if #found == 0 then break end
  drop_deleted(key, new, found)
  for _, entry in ipairs(found) do for _, text in ipairs(entry[2]) do bytes = bytes + #text end end
  seen, from = seen + #found, found[#found][1]
end
told.length = redis.call('xlen', new)
return {seen > 0 and -2 or 0, cjson.encode(told), from}
"""
BEGIN, PIECE, SWEEP = STREAMS + BEGIN, STREAMS + PIECE, STREAMS + SWEEP
