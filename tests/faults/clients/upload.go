// Uploads with net/http of Go. Takes an address, a number of bytes and a count; prints what each
// attempt has seen, one a line: the status, or the error.
package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
)

func main() {
	size, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	body := bytes.Repeat([]byte("x"), size)
	for range make([]struct{}, count) {
		answer, err := http.Post(os.Args[1], "text/plain", bytes.NewReader(body))
		if err != nil {
			fmt.Println(err)
			continue
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
}
