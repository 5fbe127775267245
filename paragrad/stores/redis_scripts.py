"""What runs inside Redis, in its own language (Lua): each script is one atomic change.

A stored value is a stamp of 16 bytes, unique to the change that wrote it, and the sealed payload. A
client numbers its changes and keeps the last number on the server, so a script that is sent twice,
because the acknowledgement was lost, changes nothing the second time, however late it arrives.
"""

from __future__ import annotations

STAMP = 16

WRITE = """
-- KEYS: the client's last change, the index of parameters, documents, lists, what pushes must fit
-- ARGV: number of the change, seconds to remember it, length of the prefix, numbers of documents and of lists, per document the
--       stamp expected and the value (empty: delete), per list the entries to drop (-1: all), per fit its value
local done = redis.call('GET', KEYS[1])
if done and tonumber(done) >= tonumber(ARGV[1]) then return 1 end
local front, documents, lists = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 1, documents do
  if redis.call('GETRANGE', KEYS[i + 2], 0, 15) ~= ARGV[2 * i + 4] then return 0 end
end
local first, last, rest = documents + 3, documents + 2 + lists, documents + 3
for i = first, last do redis.call('LLEN', KEYS[i]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for i = 1, documents do
  local key, value = KEYS[i + 2], ARGV[2 * i + 5]
  if value == '' then redis.call('DEL', key) else redis.call('SET', key, value) end
  if ARGV[2 * i + 4] == '' and string.sub(key, front + 1, front + 2) == 'p/' then
    redis.call('ZADD', KEYS[2], 0, string.sub(key, front + 1))
  end
end
for i = first, last do
  local drop = tonumber(ARGV[i + rest])
  if drop < 0 then redis.call('DEL', KEYS[i]) else redis.call('LTRIM', KEYS[i], drop, -1) end
end
for i = last + 1, #KEYS do redis.call('SET', KEYS[i], ARGV[i + rest]) end
return 1
"""

APPEND = """
-- KEYS: the client's last change, what pushes must fit, the list, perhaps a mark
-- ARGV: number of the change, seconds to remember it, fit, entry, the mark's value
local done = redis.call('GET', KEYS[1])
if done and tonumber(done) >= tonumber(ARGV[1]) then return 1 end
if redis.call('GETRANGE', KEYS[2], 16, -1) ~= ARGV[3] then return 0 end
if KEYS[4] and redis.call('EXISTS', KEYS[4]) == 1 then return 1 end
redis.call('RPUSH', KEYS[3], ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if KEYS[4] then redis.call('SET', KEYS[4], ARGV[5]) end
return 1
"""

NEWEST = """
-- KEYS: a pointer; ARGV: the stamp the client knows, the front of the keys of versions
local pointer = redis.call('GET', KEYS[1])
if not pointer then return 0 end
if string.sub(pointer, 1, 16) == ARGV[1] then return 1 end
local read, fields = pcall(cjson.decode, string.sub(pointer, 49))
local row = read and redis.call('GET', ARGV[2] .. string.format('%d', fields[2] - 1))
return {pointer, row or ''}
"""
