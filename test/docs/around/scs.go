// The calls that scs makes.
package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"fmt"
	"log"
	"time"

	_ "github.com/lib/pq"
)

var store Store

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func newToken() string {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	check(err)
	return base64.RawURLEncoding.EncodeToString(b)
}

func main() {
	db, err := sql.Open("postgres", "sslmode=disable")
	check(err)
	store = Store{db}
	example()
}

BLOCK
