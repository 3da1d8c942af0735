//go:build !linux

package random

import "crypto/rand"

func read(b []byte) { _, _ = rand.Read(b) } // it ends the program instead of failing
