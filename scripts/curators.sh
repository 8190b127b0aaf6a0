#!/usr/bin/env bash
# The Python Curators that `make bench` compares with, each in a virtualenv of its
# own in the user's cache: esnap/curators/5.8.4 and esnap/curators/8.0.21. What is
# there already is kept. PYTHON chooses the interpreter, python3 otherwise.
set -euo pipefail
python=${PYTHON:-python3}
root=${XDG_CACHE_HOME:-$HOME/.cache}/esnap/curators

# works VERSION: says whether that Curator is there and starts.
works() {
  [ -x "$root/$1/bin/curator_cli" ] &&
    [ "$("$root/$1/bin/curator" --version 2>/dev/null)" = "curator, version $1" ]
}

# install VERSION PIP-ARGUMENTS...: a new virtualenv with these packages.
install() {
  local version=$1 dir=$root/$1
  shift
  rm -rf "$dir"
  mkdir -p "$root"
  "$python" -m venv "$dir"
  "$dir/bin/python" -m pip install -q --disable-pip-version-check "$@"
}

# Of what 5.8.4 asks for, PyYAML 5.4.1 and urllib3 1.26.4 do not build or run on
# today's Python. Newer ones of the same line do, so it is installed without its
# own list, after everything that is on it.
if ! works 5.8.4; then
  install 5.8.4 'elasticsearch>=7.12,<8' 'click>=7,<8.1' PyYAML 'urllib3>=1.26.4,<2' \
    'voluptuous>=0.12.1' certifi six requests boto3 requests_aws4auth setuptools
  "$root/5.8.4/bin/python" -m pip install -q --disable-pip-version-check --no-deps elasticsearch-curator==5.8.4
fi
works 8.0.21 || install 8.0.21 elasticsearch-curator==8.0.21

for version in 5.8.4 8.0.21; do
  works "$version" || { echo "Curator $version does not start: try $root/$version/bin/curator --version" >&2; exit 1; }
  echo "Curator $version: $root/$version with $("$root/$version/bin/python" --version)"
done
