#!/bin/bash
# make_tree.sh DIR FILES: a tree to stage in DIR: FILES small files that this machine has under /usr, and made-up oddities.
# What is made up is the same at every call.
set -euo pipefail

tree=$1
files=$2
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$tree/usr"
list=$(mktemp)
trap 'rm -f "$list"' EXIT

# rsync keeps the attributes of files, links and of the directories above them.
find /usr/include /usr/lib/python3 /usr/lib/python3.* /usr/share -xdev \
  \( -type f -size -100k -readable -o -type l \) ! -name '*.pyc' -printf '%P\0%H/%P\0' 2>/dev/null |
  awk -v RS='\0' -v ORS='\0' -v files="$files" 'NR % 2 == 0 { if (++count <= files) print }' > "$list"
rsync -aH --from0 --files-from="$list" / "$tree" 2>/dev/null || [ $? = 23 ]  # 23: a file went away or may not be read
/usr/bin/python3 "$here/make_oddities.py" "$tree/made"
