// Package random gives bytes that nobody can guess, as crypto/rand does. On Linux it asks the kernel itself: crypto/rand brings a dozen packages along, whose
// initialisers every worker would run before it can say hello.
package random

// Read fills b. It never fails: where the system has no random bytes the program ends.
func Read(b []byte) { read(b) }
