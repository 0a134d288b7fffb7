//! The scripts about names that run in Redis 7.0 or later. Knows no connection.
//!
//! A lease is `N.L`: the node in hexadecimal digits, and a number of this node. An entry of a
//! lease that has ended counts as nothing, and is overwritten or removed when it is met. Another
//! program may have made a key of another type: that of a name is overwritten, that of a room is an
//! error, after which the connection goes on.
//!
//! Each write stores its number in the hash of the node, so that a node sees that its latest writes
//! were lost.

/// Begins each script but [`MEMBERS`]: `KEYS[1]` is the node and `ARGV[1]` its generation.
macro_rules! fenced {
    ($text:literal) => {
        concat!(
            "\
local gen = redis.call('HGET', KEYS[1], 'gen')
if gen ~= ARGV[1] then
  return redis.error_reply('FENCED: not the last connection of this node')
end
",
            $text
        )
    };
}

/// Takes a lease.
///
/// ```text
/// KEYS  1 the node · 2 the lease of before · 3 a new one
/// ARGV  1 generation · 2 the last number that the node knows of · 3 time of a lease in ms
/// gives 1 if the lease of before holds, 0 if the new one was taken
/// ```
pub(crate) const SIGN_IN: &str = fenced!(
    "\
local names = redis.call('HGET', KEYS[1], 'names')
if (tonumber(names) or -1) >= tonumber(ARGV[2]) and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return 1
end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
redis.call('HSET', KEYS[1], 'names', ARGV[2])
return 0
"
);

/// Takes all of the keys, or none.
///
/// ```text
/// KEYS  1 the node · 2 its lease · 3.. the keys
/// ARGV  1 generation · 2 number of the request · 3 the lease · 4 the name
///       5 time after which the keys are removed in ms
/// gives 1, or the name that has one of the keys
/// ```
///
/// A key that the lease has already keeps the number of its claim: it is not undone with this one.
pub(crate) const CLAIM: &str = fenced!(
    "\
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('LEASE of this node has ended')
end
local node, numbers = string.match(ARGV[3], '^%x+'), {}
for i = 3, #KEYS do
  local entry = redis.pcall('GET', KEYS[i])
  local lease, number, name
  if type(entry) == 'string' then lease, number, name = string.match(entry, '^(%S+) (%d+) (.*)$') end
  if lease == ARGV[3] then
    numbers[i] = number
  elseif lease and string.match(lease, '^%x+') ~= node
      and redis.call('EXISTS', 'bp:alive:' .. lease) == 1 then
    return name
  end
end
for i = 3, #KEYS do
  local entry = ARGV[3] .. ' ' .. (numbers[i] or ARGV[2]) .. ' ' .. ARGV[4]
  redis.call('SET', KEYS[i], entry, 'PX', ARGV[5])
end
redis.call('HSET', KEYS[1], 'names', ARGV[2])
return 1
"
);

/// Gives keys back, if the lease has them.
///
/// ```text
/// KEYS  1 the node · 2 its lease · 3.. the keys
/// ARGV  1 generation · 2 number of the request · 3 the lease · 4 number of the claim, or 0 for all
/// gives 1
/// ```
pub(crate) const RELEASE: &str = fenced!(
    "\
for i = 3, #KEYS do
  local entry = redis.pcall('GET', KEYS[i])
  if type(entry) == 'string' then
    local lease, number = string.match(entry, '^(%S+) (%d+) ')
    if lease == ARGV[3] and (ARGV[4] == '0' or ARGV[4] == number) then
      redis.call('DEL', KEYS[i])
    end
  end
end
redis.call('HSET', KEYS[1], 'names', ARGV[2])
return 1
"
);

/// Adds a name to a room, or removes it if it belongs to the lease.
///
/// ```text
/// KEYS  1 the node · 2 its lease · 3 the room
/// ARGV  1 generation · 2 number of the request · 3 the lease · 4 the name · 5 `enter` or `leave`
///       6 time after which the room is removed in ms
/// gives 1
/// ```
pub(crate) const ROOM: &str = fenced!(
    "\
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('LEASE of this node has ended')
end
local done = redis.pcall('HGET', KEYS[3], ARGV[4])
if ARGV[5] == 'enter' then
  done = redis.pcall('HSET', KEYS[3], ARGV[4], ARGV[3])
elseif done == ARGV[3] then
  redis.call('HDEL', KEYS[3], ARGV[4])
end
if type(done) == 'table' then return done end
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('HSET', KEYS[1], 'names', ARGV[2])
return 1
"
);

/// Counts the names in a room.
///
/// ```text
/// KEYS  1 the room
/// ARGV  1 the most names
/// gives the number of names, and some of them in order
/// ```
///
/// A portion of the names is read, and a second one at a random place if the room is larger. Up to
/// 100 names of each whose lease has ended are removed. So the number is exact for small rooms, and
/// that of a large one tends to it with each call.
pub(crate) const MEMBERS: &str = "\
local count = redis.call('HLEN', KEYS[1])
local leases, names, dead = {}, {}, {}
local function read(cursor, list)
  local fields = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 100)[2]
  for i = 1, #fields, 2 do
    local lease = fields[i + 1]
    if leases[lease] == nil then
      leases[lease] = redis.call('EXISTS', 'bp:alive:' .. lease) == 1
    end
    if leases[lease] then
      if list then list[#list + 1] = fields[i] end
    elseif #dead < 100 then
      dead[#dead + 1] = fields[i]
    end
  end
  if #dead > 0 then count = count - redis.call('HDEL', KEYS[1], unpack(dead)) end
  dead = {}
  return #fields / 2
end
local total = count
if read('0', names) < total then
  local time = redis.call('TIME')
  read(string.format('%.0f', tonumber(time[2]) * 4099 + tonumber(time[1])))
end
table.sort(names)
local reply = {count}
for i = 1, math.min(#names, tonumber(ARGV[1])) do reply[i + 1] = names[i] end
return reply
";
