// A browser without a web server: a request, and what its answer changes.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"strings"

	_ "github.com/lib/pq"
)

var (
	ctx      = context.Background()
	sessions Sessions
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func after(before Client, cookies []string) Client {
	before.Cookies, _, _ = strings.Cut(cookies[0], ";")
	return before
}

func main() {
	db, err := sql.Open("postgres", "sslmode=disable")
	check(err)
	sessions = Sessions{db}
	example()
}

BLOCK
