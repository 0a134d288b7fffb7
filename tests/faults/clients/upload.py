"""Uploads with a client of Python: http or requests. Takes its name, an address, a number of bytes and a
count; prints what each attempt has seen, one a line: the status, or the error."""

import http.client
import sys
import urllib.parse


def with_http(url, body):
    parts = urllib.parse.urlsplit(url)
    client = http.client.HTTPConnection(parts.hostname, parts.port)
    client.request("POST", parts.path, body)
    answer = client.getresponse()
    answer.read()
    return answer.status


def with_requests(url, body):
    import requests
    return requests.post(url, data=body).status_code


def main():
    name, url, size, count = sys.argv[1:]
    client = {"http": with_http, "requests": with_requests}[name]
    for _ in range(int(count)):
        try:
            print(client(url, b"x" * int(size)))
        except Exception as error:
            print(repr(error))


if __name__ == "__main__":
    main()
