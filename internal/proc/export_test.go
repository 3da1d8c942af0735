package proc

import "os"

// Life is the parent's end of the life pipe.
func (p *Process) Life() *os.File { return p.links.life }
