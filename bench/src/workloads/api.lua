-- What wrk asks, and how it tells what it found: `wrk … -- METHOD BODY PATH…`, PATH after PATH.

local paths, turn = {}, 0

function init(arguments)
    wrk.method = arguments[1]
    if arguments[2] ~= "" then
        wrk.body = arguments[2]
        wrk.headers["Content-Type"] = "application/json"
    end
    for number = 3, #arguments do
        paths[#paths + 1] = arguments[number]
    end
end

function request()
    turn = turn % #paths + 1
    return wrk.format(nil, paths[turn])
end

function done(summary, latency, _)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format(
        "\nFOUND %.3f %.3f %.3f %d\n",
        summary.requests / (summary.duration / 1e6),
        latency:percentile(50) / 1e3,
        latency:percentile(99) / 1e3,
        failed
    ))
end
