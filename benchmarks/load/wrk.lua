-- Sends the requests of a folder in turn; prints what came of them as one line of JSON.
local requests, at = {}, 0

function init(args)
  while true do
    local file = io.open(args[1] .. "/" .. (#requests + 1) .. ".http", "rb")
    if not file then break end
    requests[#requests + 1] = file:read("*a")
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"answered": %d, "refused": %d, "lost": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "worst_ms": %f}\n',
    summary.requests, summary.errors.status, lost, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
