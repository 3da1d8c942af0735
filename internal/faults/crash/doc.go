// Package crash has the ways to go wrong that only C offers: faults, aborts, exits and endless
// loops outside Go. It is empty without cgo.
package crash
