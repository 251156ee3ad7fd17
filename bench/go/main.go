// The same answer from Go's standard library, for comparison: no lookup, no journal, no log.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	const destination = "https://shop.example.com/spring?utm_source=poster&code=1"
	server := &http.Server{
		Addr: os.Args[1],
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header["Location"] = []string{destination}
			header["Cache-Control"] = []string{"private, no-store"}
			w.WriteHeader(http.StatusFound)
		}),
	}
	log.Fatal(server.ListenAndServe())
}
