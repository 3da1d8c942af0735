package proc

import "os"

// links are the pipes between the parent and one child. The fields are the parent's ends; theirs are the child's, by
// descriptor number, and are closed as soon as the child has its copies.
type links struct {
	in, out, err, text, life *os.File
	blobs                    *os.File // a socket, of an own child only

	theirs []*os.File
}

// newLinks makes the pipes of one child, or none.
func newLinks(own bool) (*links, error) {
	l := &links{}
	if err := l.open(own); err != nil {
		l.closeTheirs()
		l.closeOurs()
		return nil, err
	}
	return l, nil
}

func (l *links) open(own bool) (err error) {
	if l.in, err = l.add(pipeToChild(inPoller)); err != nil {
		return err
	}
	if l.out, err = l.add(pipeFromChild()); err != nil {
		return err
	}
	if l.err, err = l.add(pipeFromChild()); err != nil {
		return err
	}
	// The life pipe is never written and never read, only closed: the poller has nothing to do with it.
	if l.life, err = l.add(pipeToChild(notInPoller)); err != nil || !own {
		return err
	}
	l.theirs = append(l.theirs, nil) // the page's place
	if l.text, err = l.add(pipeFromChild()); err != nil {
		return err
	}
	l.blobs, err = l.add(socketPair())
	return err
}

// enlarge gives the pipes of the wire a capacity, if they can have it.
func (l *links) enlarge(capacity int) {
	if capacity == 0 || PipeSize != 0 {
		return
	}
	for _, f := range l.theirs[:fdWires] {
		setCapacity(f, capacity)
	}
}

// add keeps the child's end under the next descriptor number and returns the parent's.
func (l *links) add(ours, theirs *os.File, err error) (*os.File, error) {
	if err == nil {
		l.theirs = append(l.theirs, theirs)
	}
	return ours, err
}

// files is the child's descriptor table.
func (l *links) files(page *os.File) []*os.File {
	files := append([]*os.File(nil), l.theirs...)
	if len(files) > fdPage {
		files[fdPage] = page
	}
	return files
}

const (
	fdWires = 2 // 0 and 1
	fdLife  = 3
	fdPage  = 4
)

func (l *links) closeTheirs() {
	for _, f := range l.theirs {
		f.Close() // of a nil file: an error, nothing else
	}
	l.theirs = nil
}

func (l *links) closePipes() {
	for _, f := range []*os.File{l.in, l.out, l.err, l.text, l.blobs} {
		f.Close()
	}
}

func (l *links) closeOurs() {
	l.closePipes()
	l.life.Close()
}
