"""The steps of the Redis log that must not be interleaved, as Lua. Time is the server's.

Keys of a topic, `T` its name and `ID` its log id (a topic made again shares nothing with the old one):

    log:{T}               hash    id, partitions, groups, admission
    log:{T}:ID:P          stream  partition P; entry 0-N holds records up to offset N - 1: b = time and records
    log:{T}:ID:ends       hash    P -> the offset its next record will get
    log:{T}:ID:positions  hash    GROUP/P -> next offset
    log:{T}:ID:G:owners   hash    P -> fence:expiry_ms:member
    log:{T}:ID:G:members  hash    member -> expiry_ms

Scripts that drain the log carry `allow-oom`: at maxmemory a position must still move, or nothing is ever trimmed.
A first answer of RECREATED means that the topic now has another log id, or none.
"""

from libs.kit.eventlog.redis_wire import Script

# ARGV: id, partitions, groups (comma separated), admission. Answers: id, partitions. The ends are said anew from the
# streams: another release may have written to those without them.
ENSURE = Script("""#!lua flags=allow-oom
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[2])
local declared = redis.call('HMGET', KEYS[1], 'groups', 'admission')
if declared[1] ~= ARGV[3] or declared[2] ~= ARGV[4] then
  redis.call('HSET', KEYS[1], 'groups', ARGV[3], 'admission', ARGV[4])
end
local known = redis.call('HMGET', KEYS[1], 'id', 'partitions')
local keys = KEYS[1] .. ':' .. known[1] .. ':'
for p = 0, tonumber(known[2]) - 1 do
  local info = redis.pcall('XINFO', 'STREAM', keys .. p)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      redis.call('HSET', keys .. 'ends', p, string.match(info[i + 1], '-(%d+)'))
    end
  end
end
return known
""")

_MEMORY = """
local function memory()
  local text = redis.call('INFO', 'memory')
  return tonumber(string.match(text, 'used_memory:(%d+)')), tonumber(string.match(text, 'maxmemory:(%d+)'))
end
"""

# KEYS: topic, ends, streams. ARGV: id, default admission, and for topics that no group commits the most records and the
# share of the memory that each partition keeps; then for each entry the index of its stream in KEYS, how many records
# it has, and b. Answers OK, FULL or RECREATED; all entries are written or none. Trimming by length is for those topics
# alone.
PRODUCE = Script(
    "#!lua\n"
    + _MEMORY
    + """
local topic = redis.call('HMGET', KEYS[1], 'id', 'groups', 'admission')
if topic[1] ~= ARGV[1] then return 'RECREATED' end
local used, most = memory()
local admission = topic[3]
if admission == '' then admission = ARGV[2] end
if most > 0 and used > most * tonumber(admission) then return 'FULL' end
local ends = {}
for i = 5, #ARGV, 3 do
  local stream = tonumber(ARGV[i])
  local last = redis.call('HINCRBY', KEYS[2], stream - 3, ARGV[i + 1])
  redis.call('XADD', KEYS[stream], string.format('0-%.0f', last), 'b', ARGV[i + 2])
  ends[stream] = last
end
if topic[2] == '' then
  local room = most * tonumber(ARGV[4])
  for stream, last in pairs(ends) do
    local key, first = KEYS[stream], last - tonumber(ARGV[3]) + 1
    if first > 0 then redis.call('XTRIM', key, 'MINID', '=', string.format('0-%.0f', first)) end
    local size = redis.call('MEMORY', 'USAGE', key) or 0
    if most > 0 and size > room then
      redis.call('XTRIM', key, 'MAXLEN', '=', math.floor(redis.call('XLEN', key) * room / size * 0.9))
    end
  end
end
return 'OK'
"""
)

# ARGV: admission. Answers OK or FULL.
ADMITS = Script(
    "#!lua flags=allow-oom\n"
    + _MEMORY
    + """
local used, most = memory()
if most > 0 and used > most * tonumber(ARGV[1]) then return 'FULL' end
return 'OK'
"""
)

# KEYS: topic, owners, members, positions, ends. ARGV: id, group, member, lease in ms, whether to take free partitions
# (1 or 0), partitions. Answers how many partitions this member should have, then partition, fence and position of each
# it owns. A lease that ran out is still its owner's until another takes it.
JOIN = Script("""#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return {'RECREATED'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = string.format('%.0f', now + tonumber(ARGV[4]))
redis.call('HSET', KEYS[3], ARGV[3], until_ms)
local names = {}
local members = redis.call('HGETALL', KEYS[3])
for i = 1, #members, 2 do
  if tonumber(members[i + 1]) < now then redis.call('HDEL', KEYS[3], members[i])
  else names[#names + 1] = members[i] end
end
table.sort(names)
local partitions = tonumber(ARGV[6])
local quota = math.floor(partitions / #names)
for rank, name in ipairs(names) do
  if name == ARGV[3] and rank <= partitions % #names then quota = quota + 1 end
end
local owned, free = {}, {}
for p = 0, partitions - 1 do
  local fence, expiry, owner = string.match(redis.call('HGET', KEYS[2], p) or '0:0:', '^(%d+):(%d+):(.*)$')
  if owner == ARGV[3] then owned[#owned + 1] = {p, fence}
  elseif tonumber(expiry) < now then free[#free + 1] = {p, string.format('%.0f', fence + 1)} end
end
if ARGV[5] == '1' then
  while #owned < quota and #free > 0 do owned[#owned + 1] = table.remove(free, 1) end
end
local answer = {quota}
for _, pair in ipairs(owned) do
  local p, fence = pair[1], pair[2]
  redis.call('HSET', KEYS[2], p, fence .. ':' .. until_ms .. ':' .. ARGV[3])
  local position = tonumber(redis.call('HGET', KEYS[4], ARGV[2] .. '/' .. p) or '0')
  answer[#answer + 1] = p
  answer[#answer + 1] = tonumber(fence)
  answer[#answer + 1] = math.min(position, tonumber(redis.call('HGET', KEYS[5], p) or '0'))
end
return answer
""")

# KEYS: owners, members. ARGV: member, whether it leaves the group (1 or 0), then partition and fence of each to free.
RELEASE = Script("""#!lua flags=allow-oom
if ARGV[2] == '1' then redis.call('HDEL', KEYS[2], ARGV[1]) end
for i = 3, #ARGV, 2 do
  local fence = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%d+):')
  if fence == ARGV[i + 1] then redis.call('HSET', KEYS[1], ARGV[i], fence .. ':0:') end
end
return 'OK'
""")

# KEYS: topic, owners, positions, stream. ARGV: id, group, member, partition, fence, next offset, lease in ms,
# records to keep for tails. Answers OK, FENCED or RECREATED. Records are kept for tails only while the log is less
# than a quarter full, so that what is kept can never be what fills it.
COMMIT = Script(
    "#!lua flags=allow-oom\n"
    + _MEMORY
    + """
local topic = redis.call('HMGET', KEYS[1], 'id', 'groups')
if topic[1] ~= ARGV[1] then return 'RECREATED' end
local fence, _, owner = string.match(redis.call('HGET', KEYS[2], ARGV[4]) or '', '^(%d+):(%d+):(.*)$')
if fence ~= ARGV[5] or owner ~= ARGV[3] then return 'FENCED' end
local time = redis.call('TIME')
local until_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[7]))
redis.call('HSET', KEYS[2], ARGV[4], fence .. ':' .. until_ms .. ':' .. owner)
redis.call('HSET', KEYS[3], ARGV[2] .. '/' .. ARGV[4], ARGV[6])
local settled = nil
for group in string.gmatch(topic[2], '[^,]+') do
  local position = tonumber(redis.call('HGET', KEYS[3], group .. '/' .. ARGV[4]) or '0')
  if not settled or position < settled then settled = position end
end
if settled then
  local used, most = memory()
  if most == 0 or used < most / 4 then settled = settled - tonumber(ARGV[8]) end
  if settled > 0 then redis.call('XTRIM', KEYS[4], 'MINID', '=', string.format('0-%.0f', settled + 1)) end
end
return 'OK'
"""
)
