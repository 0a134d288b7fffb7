//! The scripts about logs that run in Redis 7.0 or later. Knows no connection.
//!
//! Numbers of Lua are doubles: each number here stays below 2^53. A script is written to the
//! append-only file as one transaction.

/// Stores the generation of a connection, unless a later one was stored: the opening of a
/// connection that was given up may arrive late, too.
///
/// The hash of the node has the `seq` that follows in a field with the name of the generation, so
/// that a call can check the one and advance the other in one command. A `seq` is at least 1.
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
local following = gen and redis.call('HGET', KEYS[1], gen)
if not following or #following > 15 or not string.match(following, '^[1-9]%d*$') then
  following = '1'
end
redis.call('HSET', KEYS[1], 'gen', ARGV[1], ARGV[1], following)
if gen and gen ~= ARGV[1] then redis.call('HDEL', KEYS[1], gen) end
return 1
";

/// Publishes the messages of a turn.
///
/// ```text
/// KEYS  1 the node · 2.. a topic for each message
/// ARGV  1 generation · 2 first seq not accepted · 3 first seq of this call · 4 length of a log
///       5 retention in ms · 6 probe, or empty · 7.. the id `EPOCH-*` and the record of each
///       message
/// gives the number of messages if all are settled, else an array: the indexes of the messages that
///       were refused for good, the number of messages that are settled, and the reason why the
///       next one failed, or nothing
/// ```
///
/// A call of a connection that was given up is refused (FENCED), also when the store was emptied
/// and no longer knows the node: then the node connects again. Its generation has no field, so
/// that counting from nothing gives the number of messages. Else the field has the `seq` that
/// follows if all messages are appended now, and is corrected at the end if they are not. So a
/// message that comes alone costs one command less, each of which takes some 15 us with cold
/// caches; a function or a table that is made in each call costs a few.
///
/// A message that the log has is not appended again; one that comes too early is refused (ORDER),
/// so the log keeps the order of the node. After a rollback the stored `seq` is behind: then the
/// lowest that was not accepted counts.
///
/// Each append comes before its `PUBLISH`, or subscribers get a message that the log refused. Each
/// command is a `pcall`, and the progress is stored after each failure: else a message before it
/// would be appended again, or one after it would be taken for an appended one.
///
/// Every tenth message renews the retention, and nodes ask for it where fewer come. Its id ends
/// with the byte of `0`: to find the offset by a pattern took a quarter of the time of a message.
///
/// The newest id of a log is `E-n`, so `E-*` gives `E-(n+1)`: epoch and offset are the id. An epoch
/// of the log that is greater than the known one is adopted. If there is no log, one with a greater
/// epoch begins.
///
/// Another program may have left no offset, which Redis calls `too large`: then the next epoch
/// begins. If it has left no epoch of 15 digits, the log cannot be used, as with a wrong type. So
/// numbers of Lua stay exact.
pub(crate) const PUBLISH: &str = "\
local count = #KEYS - 1
local after = redis.call('HINCRBY', KEYS[1], ARGV[1], count)
if after <= count then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return redis.error_reply('FENCED: not the last connection of this node')
end
local function append_otherwise(id, key, epoch, record)
  if not id then
    local time = redis.pcall('TIME')
    if time.err then return time end
    local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    epoch = string.format('%.0f', math.max(now, tonumber(epoch) + 1))
    if #epoch > 15 then return {err = 'WRONGTYPE no id is left'} end
    return redis.pcall('XADD', key, epoch .. '-*', 'm', record)
  end
  if not (string.find(id.err, 'equal or smaller', 1, true)
      or string.find(id.err, 'exhausted', 1, true) or string.find(id.err, 'too large', 1, true)) then
    return id
  end
  local info, offset = redis.pcall('XINFO', 'STREAM', key), nil
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      epoch, offset = string.match(info[i + 1], '^(%d+)-(%d+)')
    end
  end
  if offset == '18446744073709551615' then
    epoch = string.format('%.0f', tonumber(epoch) + 1)
  end
  if #epoch > 15 then return {err = 'WRONGTYPE no id is left'} end
  return redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[4], epoch .. '-*', 'm', record)
end
local following = math.max(tonumber(ARGV[2]), after - count)
local first = tonumber(ARGV[3])
local seq, failed, refused = first, nil, nil
for i = 2, count + 1 do
  if seq > following then
    failed = 'ORDER'
    break
  end
  if seq == following then
    local key, new, record = KEYS[i], ARGV[2 * i + 3], ARGV[2 * i + 4]
    local id = redis.pcall('XADD', key, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[4], new, 'm', record)
    if type(id) ~= 'string' then
      id = append_otherwise(id, key, string.match(new, '^%d+'), record)
    end
    if type(id) == 'string' then
      following = seq + 1
      local told = redis.pcall('PUBLISH', key, id .. ' ' .. record)
      if string.byte(id, -1) == 48 and type(told) ~= 'table' then
        told = redis.pcall('PEXPIRE', key, ARGV[5])
      end
      if type(told) == 'table' then
        failed = told.err
        break
      end
    elseif string.sub(id.err, 1, 9) == 'WRONGTYPE' then
      following = seq + 1
      refused = refused or {}
      refused[#refused + 1] = seq - first
    else
      failed = id.err
      break
    end
  end
  seq = seq + 1
end
if following ~= after then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', following))
end
if ARGV[6] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PUBLISH', KEYS[1], ARGV[6])
end
if not failed and not refused then return seq - first end
refused = refused or {}
refused[#refused + 1] = seq - first
refused[#refused + 1] = failed or ''
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
