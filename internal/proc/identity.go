package proc

import "sync"

// SelfIdentity names the running image, so that parent and worker can tell whether they are one build: "dev:ino:size:mtime"
// on Linux, where the kernel keeps a reference to the image (/proc), elsewhere "sha256:..." of the executable file.
// It is found out once and then stays.
func SelfIdentity() (string, error) { return identity() }

var identity = sync.OnceValues(identify)
