package journal

import (
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// batch opens the records of the tasks whose output is written together, and says which bytes of which file that is.
type batch struct {
	File  string `json:"file,omitempty"` // device and inode; empty where nobody can look whether the output is there
	At    int64  `json:"at,omitempty"`
	Bytes int    `json:"bytes,omitempty"`
	CRC   uint32 `json:"crc,omitempty"`
}

func (b *batch) end() int64 { return b.At + int64(b.Bytes) }

// output is standard output. Its file is nil unless that is a regular file that nothing else of this program writes to:
// elsewhere there are no positions.
type output struct {
	file *os.File
	id   string
	tail bool // every write goes to the end
}

// outputTo looks at standard output. Positions are worth nothing where the lines of standard error stand between the results.
func outputTo(stdout, stderr any) output {
	file, info := regular(stdout)
	if file == nil {
		return output{}
	}
	if _, other := regular(stderr); other != nil && os.SameFile(info, other) {
		return output{}
	}
	id := fileID(info)
	if id == "" {
		return output{}
	}
	return output{file: file, id: id, tail: appends(file)}
}

func regular(stream any) (*os.File, os.FileInfo) {
	file, ok := stream.(*os.File)
	if !ok || file == nil {
		return nil, nil
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	return file, info
}

// next describes the batch whose output is text, which is written next.
func (o *output) next(text []byte) (batch, error) {
	b := batch{Bytes: len(text), CRC: checksum(text)}
	if o.file == nil || len(text) == 0 {
		return b, nil
	}
	at, err := o.position()
	b.File, b.At = o.id, at
	return b, err
}

// position is where the next write goes.
func (o *output) position() (int64, error) {
	if o.tail {
		return o.size()
	}
	return o.file.Seek(0, io.SeekCurrent)
}

func (o *output) size() (int64, error) {
	info, err := o.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// verdict is what became of the output of a batch in doubt.
type verdict struct {
	written bool
	cut     int64 // bytes of it that were there and have been cut off
}

// judge finds out whether the output of a batch was written. A part of it is cut off: the tasks run again.
func (o *output) judge(b *batch) (verdict, error) {
	if b.Bytes == 0 {
		return verdict{written: true}, nil
	}
	if o.file == nil || b.File != o.id {
		return verdict{}, nil
	}
	size, err := o.size()
	switch {
	case err != nil || size <= b.At:
		return verdict{}, err
	case size < b.end():
		return verdict{cut: size - b.At}, o.file.Truncate(b.At)
	}
	sum, err := o.checksum(b)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, errUnreadable) {
		return verdict{written: size == b.end()}, nil // the lengths must do
	}
	return verdict{written: err == nil && sum == b.CRC}, err
}

// checksum reads what stands where the output of b should.
func (o *output) checksum(b *batch) (uint32, error) {
	f, err := reopen(o.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	_, err = io.Copy(h, io.NewSectionReader(f, b.At, int64(b.Bytes)))
	return h.Sum32(), err
}

// errUnreadable is reopen's error where a file that is open for writing cannot be opened for reading by its descriptor.
var errUnreadable = errors.New("cannot be read")
