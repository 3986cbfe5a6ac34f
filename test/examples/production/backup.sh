#!/bin/sh
# Backs a database file up, proves the copy, and keeps the newest ones.
#   backup.sh <folder> [how many to keep]
set -eu
folder=$1
keep=${2:-14}
file="$folder/kilde-$(date -u +%Y-%m-%dT%H%M%SZ).db"

# Examines the copy, and fails if it has a fault: then it stays for a person to look at, and no earlier one is deleted.
kilde backup "$file"
ls -1 "$folder"/kilde-*.db | sort -r | tail -n "+$((keep + 1))" | while IFS= read -r old; do
  rm -f -- "$old" "$old.erasures.ndjson"
done
