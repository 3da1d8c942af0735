// Package journal remembers which tasks of a run are done, in a file, so that a run that was cut short can be resumed.
//
// # What a task is
//
// A task is known by a Key: a hash of its function's name, of its encoded argument and, where the argument names a file, of that
// file's size and time of modification. Where a task stands among the others does not matter, so inputs may be sorted, added and
// removed between two runs. A file that was written to is another task, and so is the same input with an option that goes into the
// argument. The same input twice is two tasks: the journal counts.
//
// # The file
//
// A journal is a text file of JSON objects, one a line, that is only ever appended to:
//
//	{"journal":1,"function":"sha256","program":"procpool v1.2.0 ...","created":"2026-11-30T16:01:18Z","sum":"f15cab12"}
//	{"run":{"pid":4711,"dir":"/home/eva/photos","started":"2026-11-30T16:01:18Z"},"sum":"3fe25b25"}
//	{"batch":{"file":"fd01:1836","at":148,"bytes":72,"crc":1570638865},"sum":"e3e0d1a9"}
//	{"done":"9b5f7d0a4e21c86390ab45cd1f3e7a62","in":"a.jpg","sum":"0c1b7f6e"}
//	{"failed":"02d1c6f3b8a94e57a1b0c9d8e7f60514","kind":"returned","error":"open b.jpg: permission denied","in":"b.jpg","sum":"7a90c2d4"}
//	{"kept":true,"sum":"51cb02ae"}
//
// The first line is the header: the version of the format, the function, and the program that began the journal. A line "run" begins
// each run. "sum" ends every line: the CRC-32C, in hexadecimal, of the bytes of the line before `,"sum"`.
//
// What tasks came to stands in batches. The line "batch" opens one, "kept" closes it, and between them is a record for each task:
//
//	done    it succeeded. "value" is its result in msgpack and base64, where the end of a run needs it for totals.
//	failed  it failed: kind and error say how.
//	held    it succeeded, and its result waits for that of an earlier input; "value" is the result.
//
// A record with "was" takes the place of an earlier one of the same key: "was":"failed" where the task was tried again, "was":"held"
// where its result has been printed. "in" is the start of the input, for people.
//
// # Output and records
//
// The tasks of a batch are those whose output is written together. The batch and its records are written first, then the output,
// then the closing line, each by one write(2). The records count only when the batch is closed by "kept":true, so a kill between two
// of the writes leaves one batch in doubt: the last. "file", "at", "bytes" and "crc" say which bytes of which file the output was
// meant to be (device and inode, offset, length, CRC-32C in decimal); a number that is zero is left out. They are there when standard output is a regular file that standard error
// is not. If that file is standard output again, the doubt is resolved by looking: output that is there whole has been written, a part
// of it is cut off, and a line "kept" records the verdict. Anywhere else, on a terminal or in a pipe, nobody can look; the tasks of that
// batch then run again, and their output comes twice if the kill came after it.
//
// A file that is shorter than a batch says has lost that output, as after a loss of power; its tasks run again. A file that is empty
// has rather been opened by the shell's > where >> was meant, and is an error.
//
// # Damage
//
// What a line holds counts only if its sum is right. Lines at the end that are torn or damaged are cut off, which is what a kill
// within a write or a full disk leaves. Damaged lines before a good one stay, are reported, and do not count: at worst the tasks of
// their batch run again. A file that is not a journal is refused, and so is another version of the format; neither is touched.
//
// What write(2) has taken survives the death of the program, but not a loss of power. Sync writes output and journal to the
// disk, in that order.
//
// # Cost
//
// A record takes about 90 bytes of the file and 0.2 µs. An open journal takes 23 bytes of memory for each task that is done, once it is
// resumed, and none before. Each task that is held, or that has a value, takes its value and about 100 bytes more.
package journal
