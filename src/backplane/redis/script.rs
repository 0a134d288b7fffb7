//! The scripts about logs that run in Redis 7.0 or later. Knows no connection.
//!
//! Numbers of Lua are doubles: each number here stays below 2^53. A script is written to the
//! append-only file as one transaction.

/// Stores the generation of a connection, unless a later one was stored: the opening of a
/// connection that was given up may arrive late, too.
///
/// ```text
/// KEYS  1 the node
/// ARGV  1 generation
/// gives 1
/// ```
pub(crate) const GENERATION: &str = "\
local gen = redis.call('HGET', KEYS[1], 'gen')
if (tonumber(gen) or 0) > tonumber(ARGV[1]) then
  return redis.error_reply('FENCED: not the last connection of this node')
end
redis.call('HSET', KEYS[1], 'gen', ARGV[1])
return 1
";

/// Publishes the messages of a turn.
///
/// ```text
/// KEYS  1 the node · 2.. a topic for each message
/// ARGV  1 generation · 2 first seq not accepted · 3 first seq of this call · 4 length of a log
///       5 retention in ms · 6 probe, or empty · 7.. epoch and record of each message
/// gives the indexes of the messages that were refused for good, the number of messages that are
///       settled, and the reason why the next one failed, or nothing
/// ```
///
/// A call of a connection that was given up is refused (FENCED), also when the store was emptied
/// and no longer knows the node: then the node connects again. A message that the log has is not
/// appended again; one that comes too early is refused (ORDER), so the log keeps the order of the
/// node. After a rollback the stored `seq` is behind: then the lowest that was not accepted counts.
///
/// Each append comes before its `PUBLISH`, or subscribers get a message that the log refused. It is
/// a `pcall`, and the progress is stored whatever failed: else a message that was appended before
/// the failure would be appended again.
///
/// Every tenth message renews the retention. Its id ends with the byte of `0`: to find the offset
/// by a pattern took a quarter of the time of a message.
///
/// The newest id of a log is `E-n`, so `E-*` gives `E-(n+1)`: epoch and offset are the id. An epoch
/// of the log that is greater than the known one is adopted. If there is no log, one with a greater
/// epoch begins.
///
/// Another program may have left no offset, which Redis calls `too large`: then the next epoch
/// begins. If it has left no epoch of 15
/// digits, the log cannot be used, as with a wrong type. So numbers of Lua stay exact.
pub(crate) const PUBLISH: &str = "\
local node = redis.call('HMGET', KEYS[1], 'gen', 'seq')
if node[1] ~= ARGV[1] then
  return redis.error_reply('FENCED: not the last connection of this node')
end
local function append(key, epoch, record)
  local id = redis.pcall('XADD', key, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[4], epoch .. '-*', 'm', record)
  if type(id) == 'table' and (string.find(id.err, 'equal or smaller', 1, true)
      or string.find(id.err, 'exhausted', 1, true) or string.find(id.err, 'too large', 1, true)) then
    local info, offset = redis.call('XINFO', 'STREAM', key), nil
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        epoch, offset = string.match(info[i + 1], '^(%d+)-(%d+)')
      end
    end
    if offset == '18446744073709551615' then
      epoch = string.format('%.0f', tonumber(epoch) + 1)
    end
    if #epoch > 15 then return {err = 'WRONGTYPE no id is left'} end
    id = redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[4], epoch .. '-*', 'm', record)
  elseif not id then
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    epoch = string.format('%.0f', math.max(now, tonumber(epoch) + 1))
    id = redis.pcall('XADD', key, epoch .. '-*', 'm', record)
  end
  return id
end
local following = tonumber(ARGV[2])
if tonumber(node[2]) then following = math.max(following, tonumber(node[2]) + 1) end
local seq, settled, failed, refused = tonumber(ARGV[3]), 0, '', {}
for i = 2, #KEYS do
  if seq > following then
    failed = 'ORDER'
    break
  end
  if seq == following then
    local record = ARGV[2 * i + 4]
    local id = append(KEYS[i], ARGV[2 * i + 3], record)
    if type(id) == 'string' then
      if string.byte(id, -1) == 48 then
        redis.call('PEXPIRE', KEYS[i], ARGV[5])
      end
      redis.call('PUBLISH', KEYS[i], id .. ' ' .. record)
    elseif string.sub(id.err, 1, 9) == 'WRONGTYPE' then
      refused[#refused + 1] = settled
    else
      failed = id.err
      break
    end
    following = seq + 1
  end
  settled, seq = settled + 1, seq + 1
end
if settled > 0 or ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'gen', ARGV[1], 'seq', string.format('%.0f', following - 1))
end
if ARGV[6] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PUBLISH', KEYS[1], ARGV[6])
end
refused[#refused + 1] = settled
refused[#refused + 1] = failed
return refused
";

/// Appends a mark and returns the newest entries, as XRANGE does.
///
/// ```text
/// KEYS  1 the node · 2 the topic
/// ARGV  1 generation · 2 `always`, or `empty` if only an empty log gets the mark
///       3 the epoch becomes greater than this · 4 length of a log · 5 retention in ms · 6 the mark
///       7 the most entries, at least 1 · 8 the most bytes of their content, if it is not 1 entry
/// ```
///
/// Entries are read in portions: a log of long records is not read whole for its last ones.
pub(crate) const MARK: &str = "\
local gen = redis.call('HGET', KEYS[1], 'gen')
if gen ~= ARGV[1] then
  return redis.error_reply('FENCED: not the last connection of this node')
end
local function newest()
  local found, wanted, bytes, from = {}, tonumber(ARGV[7]), 0, '+'
  while #found < wanted do
    local count = math.min(wanted - #found, 16)
    local portion = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', count)
    for i = 1, #portion do
      for _, part in ipairs(portion[i][2]) do bytes = bytes + #part end
      if #found > 0 and bytes > tonumber(ARGV[8]) then
        wanted = 0
        break
      end
      found[#found + 1] = portion[i]
    end
    if #portion < count then break end
    from = '(' .. portion[count][1]
  end
  local ordered = {}
  for i = #found, 1, -1 do ordered[#ordered + 1] = found[i] end
  return ordered
end
if ARGV[2] == 'empty' then
  local entries = newest()
  if #entries > 0 then return entries end
end
local time = redis.call('TIME')
local epoch = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
epoch = math.max(epoch, tonumber(ARGV[3]) + 1)
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      epoch = math.max(epoch, tonumber(string.match(info[i + 1], '^%d+')) + 1)
    end
  end
end
if epoch >= 1e15 then return redis.error_reply('WRONGTYPE no id is left') end
local id = redis.call(
  'XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], string.format('%.0f', epoch) .. '-*', 'm', ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PUBLISH', KEYS[2], id .. ' ' .. ARGV[6])
return newest()
";
