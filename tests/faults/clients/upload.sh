#!/bin/sh
# Uploads with curl. Takes a header or an empty text, an address, a number of bytes and a count; prints
# what each attempt has seen, one a line: the status, or the error.
for _ in $(seq "$4"); do
    status=$(head -c "$3" /dev/zero |
        curl -sS -o /dev/null -w '%{http_code}' ${1:+-H "$1"} --data-binary @- "$2") &&
        echo "$status" || echo "curl ended with $?, status $status"
done
