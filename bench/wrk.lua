-- What wrk does with `plan` (see load.py): requests with known or fresh names, every answer compared.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("id", #threads)
end

function init(args)
  local file = io.open(plan.body_file, "rb")
  body = file:read("*a")
  file:close()
  bad, counter, sample = 0, 0, ""
  sent = plan.method ~= "GET" and body or nil
end

local function name()
  counter = counter + 1
  if #plan.names > 0 then
    return plan.names[(counter * 7 + id * 31) % #plan.names + 1]
  end
  return string.format("%s-%d-%d", plan.prefix, id, counter)
end

function request()
  local fresh = name()
  local path = string.gsub(plan.path, "{name}", fresh, 1)
  local content = sent
  if plan.json then content = string.gsub(body, "{name}", fresh) end
  return wrk.format(plan.method, path, plan.headers, content)
end

function response(status, headers, got)
  local refused = plan.refusal ~= "" and string.find(got, plan.refusal, 1, true)
  if status ~= plan.expect or refused or (plan.method == "GET" and got ~= body) then
    bad = bad + 1
    if sample == "" then sample = status .. " " .. string.sub(got or "", 1, 200) end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local wrong, what = errors.connect + errors.read + errors.write + errors.timeout, ""
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("bad")
    if thread:get("sample") ~= "" then what = thread:get("sample") end
  end
  what = string.gsub(what, '[%c"\\]', " ")
  print(string.format('{"requests": %d, "seconds": %.6f, "bad": %d, "sample": "%s"}',
    summary.requests, summary.duration / 1e6, wrong, what))
end
