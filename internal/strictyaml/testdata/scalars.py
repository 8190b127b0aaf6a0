import datetime, json, sys

import yaml

# Says of each text what PyYAML's FullLoader makes of it as the value of a key.
names = {type(None): "null", bool: "bool", int: "int", float: "float", str: "string", datetime.date: "date", datetime.datetime: "date"}
out = []
for text in json.load(sys.stdin):
    value = yaml.load("k: " + text + "\n", Loader=yaml.FullLoader)["k"]
    kind = names[type(value)]
    out.append({"Kind": kind, "Value": str(value) if kind in ("int", "float", "bool", "string") else ""})
json.dump(out, sys.stdout)
