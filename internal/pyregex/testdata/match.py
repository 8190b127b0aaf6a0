import json, re, sys

job = json.load(sys.stdin)
out = []
for pattern in job["patterns"]:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, ValueError):
        out.append(None)
        continue
    rows = []
    for text in job["texts"]:
        m = getattr(compiled, job["mode"])(text)
        if m is None:
            rows.append({"Match": False, "Start": 0, "Groups": None})
        else:
            rows.append({
                "Match": True,
                "Start": len(text[: m.start()].encode()),
                "Groups": [m.group(0)] + [g or "" for g in m.groups()],
            })
    out.append(rows)
json.dump(out, sys.stdout)
