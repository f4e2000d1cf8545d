#!/bin/sh
# From a real log of 1993 to its invoices, from nothing: `make demo`, or this script with
# `billing` in the PATH or in .venv. Works in a folder of its own, .demo, made afresh each time;
# afterwards the database is there to look around in.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:$root/.venv/bin
command -v billing >/dev/null || {
    echo 'error: billing is not installed: make venv' >&2
    exit 1
}
# Not the reader's own configuration or database.
unset BILLING_CONFIG BILLING_DATABASE_URL BILLING_AT
# A point in numbers, whatever the reader's language.
export LC_ALL=C.UTF-8

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
    bold='' dim='' plain=''
fi

say() { printf '\n%s# %s%s\n' "$dim" "$1" "$plain"; }

# Show a command as it would be typed, then run it in this shell.
run() {
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}

# The same, and keep what it prints in a file.
run_into() {
    printf '%s$ %s%s\n' "$bold" "$2" "$plain"
    eval "$2" >"$1"
    cat "$1"
}

rm -rf "$root/.demo"
mkdir "$root/.demo"
cd "$root/.demo"

printf 'Three months of a supercomputer at NASA, from its log to its invoices.\n'
printf 'A job is a session of so many cores, with 512 MiB each.\n'

say 'A database of its own. For billing, it is now the 1st of February 1994.'
run 'export BILLING_DATABASE_URL=billing.db BILLING_AT=1994-02-01T00:00:00Z'
run 'billing init'

say 'Take the events in. Again changes nothing: each counts once.'
run 'billing meter ingest ../examples/nasa-ipsc-1993.jsonl.gz'
run 'billing meter ingest ../examples/nasa-ipsc-1993.jsonl.gz'

say 'Fold them into sessions and cut these into hourly usage records.'
run 'billing meter run'

say 'One session: what ran when, and what it comes to.'
run 'billing meter show nasa-ipsc-42263'

say 'Invoice every month that has not been: number and freeze. Here the last two.'
run 'billing invoice generate --finalize -o tsv | tail -n 2 | cut -f 2,3,4,10'

say 'What each month came to. For programs, results are csv, tsv, json or jsonl.'
run_into months "billing invoice list -o csv | awk -F, 'NR > 1 { n[\$4]++; sum[\$4] += \$10 }
    END { for (p in n) printf \"%s %4d invoices %8.2f\\n\", p, n[p], sum[p] }' |
    sort"

# The figures that this log gives, worked out apart from billing.
cat >expected <<'END'
1993-10   49 invoices  2196.97
1993-11   48 invoices  2969.93
1993-12   50 invoices  2059.75
1994-01    3 invoices    18.56
END
diff expected months || {
    printf '\nerror: the totals above are wrong (<: right, >: found); this is a bug\n' >&2
    exit 1
}

say 'The largest invoices of November.'
run_into largest 'billing invoice list --period 1993-11 -o tsv |
    cut -f 2,3,10 | sort -rn -k 3 | head -n 5'

say 'The largest in full.'
run "billing invoice show $(head -n 1 largest | cut -f 1)"

say 'The same log on plans, in a database of its own: a fee, and overage above what it includes.'
run 'export BILLING_DATABASE_URL=hybrid.db BILLING_CONFIG=../examples/hybrid.json'
run 'billing --at 1993-10-01T00:00:00Z user import ../examples/hybrid-users.csv'
run 'billing plan list -o tsv | cut -f 1-3,5,6,9'
run 'billing meter ingest ../examples/nasa-ipsc-1993.jsonl.gz >ingested'

say 'Invoice October, and take in what the bank says: four of five have paid.'
run 'billing --at 1993-11-02T06:00:00Z invoice generate --finalize -o csv >october.csv'
run "awk -F, 'BEGIN { print \"date,amount,reference\" }
    NR > 1 && NR % 5 { print \"1993-11-12,\" \$10 \",\" \$2 }' october.csv >bank.csv"
run 'billing --at 1993-11-13T00:00:00Z payment import bank.csv'

say 'In the middle of November somebody needs more, and gets something for a downtime.'
run 'billing --at 1993-11-15T12:00:00Z subscription change --user user-007 --plan lab'
run 'billing --at 1993-11-20T00:00:00Z credits add --user user-007 --amount 50.00 \
    --reason "Service credit for downtime"'

say 'Who was near or over a limit on the 12th, in the afternoon?'
run 'billing --at 1993-11-12T17:05:00Z quota check -o tsv | cut -f 1-4,6-8'

say 'Invoice November, and look at the one with the change.'
run 'billing invoice generate --period 1993-11 --finalize -o csv >november.csv'
run 'billing invoice show INV-1994-000007'

# Worked out apart from billing: see tests/test_hybrid_example.py.
grep -q ',INV-1994-000007,user-007,.*,130.98,0.00,50.00,80.98,' november.csv || {
    printf '\nerror: the hybrid invoice is wrong; this is a bug\n' >&2
    exit 1
}

say 'The same as a document, with the letterhead of the config file.'
run 'billing invoice pdf INV-1994-000007'

say 'A transfer comes in, for more than is owed: the rest becomes a credit.'
run 'billing payment record --user user-007 --amount 100.00 --reference "Transfer 4711"'
run 'billing credits list --user user-007'

say 'How everyone stood on the 24th of November, and first of all what needs attention.'
run 'billing --at 1993-11-24T17:05:00Z dashboard --limit 8'

say 'All of it is in .demo/billing.db and hybrid.db, the document beside them. Look around, with:'
printf '%s$ billing --database .demo/billing.db usage --period 1993-11 --by resource%s\n' \
    "$bold" "$plain"
