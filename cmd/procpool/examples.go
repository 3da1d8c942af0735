package main

// examples are those of the commands that do not have theirs beside their flags, by the path of the command. A test parses each of them.
var examples = map[string]string{
	"procpool": `  procpool doctor                      does everything work here?
  procpool functions                   what there is to run
  procpool run gostats .               statistics of the Go files below this directory
  find . -type f | procpool run sha256 -
  procpool run primes 1e6 1e7 1e8 --json
  procpool run crash segv --quiet      what a dying worker looks like
  procpool bench --quick               what a process boundary costs here
  procpool help exit-codes             what the exit codes mean`,

	"procpool run": `  procpool run gostats .                                  all Go files below
  find . -name '*.jpg' | procpool run sha256 -            a line on standard input is an input
  procpool run primes 1e6 1e7 1e8 --json                  JSON Lines
  procpool run sha256 /usr/bin --workers 4 --unordered    results as they come
  procpool run crash segv --quiet                         what a dying worker looks like`,

	"procpool run gostats": `  procpool run gostats .                 each Go file below, and the totals
  procpool run gostats main.go --json`,
	"procpool run wordcount": `  procpool run wordcount README.md CHANGELOG.md
  find . -name '*.txt' | procpool run wordcount -`,
	"procpool run sha256": `  procpool run sha256 /usr/bin >SUMS     then: sha256sum -c SUMS
  find . -type f -print0 | procpool run sha256 --stdin nul`,
	"procpool run thumbnail": `  procpool run thumbnail pictures --out thumbnails
  procpool run thumbnail photo.jpg --size 64`,
	"procpool run primes": `  procpool run primes 1e6 1e7 1e8
  seq 1000000 1000000 10000000 | procpool run primes - --unordered`,
	"procpool run mandelbrot": `  procpool run mandelbrot 1920x1080 --out mandelbrot.png
  procpool run mandelbrot 800x600@-0.7436,0.1318,0.01`,
	"procpool run echo": `  procpool run echo a b c
  echo '{"n": [1, 2]}' | procpool run echo --json`,
	"procpool run sleep": `  procpool run sleep 1s 1s 1s 1s --workers 4    takes a second`,
	"procpool run fail":  `  procpool run fail "no luck"`,
	"procpool run panic": `  procpool run panic "at the disco"`,
	"procpool run exit":  `  procpool run exit 0 3`,
	"procpool run crash": `  procpool run crash segv
  procpool run crash kill stack --workers 1`,
	"procpool run flaky": `  procpool run flaky a b c --retries 3`,
	"procpool run hang":  `  procpool run hang x        Ctrl-C ends it`,
	"procpool run leak":  `  procpool run leak 64MiB`,
	"procpool run print": `  procpool run print hello    what a function prints goes to standard error`,

	"procpool functions": `  procpool functions
  procpool functions --json | jq -r .name`,
	"procpool version": `  procpool version
  procpool version --json | jq -r .revision`,
	"procpool demo": `  procpool demo
  procpool demo --workers 4 --dir .`,
	"procpool help": `  procpool help run
  procpool help run gostats
  procpool help exit-codes`,
	"procpool man": `  procpool man ~/.local/share/man/man1
  make install                       the same, with the program and completion`,
	"procpool completion": `  source <(procpool completion bash)
  procpool completion fish | source`,
	"procpool completion bash": `  source <(procpool completion bash)
  procpool completion bash >~/.local/share/bash-completion/completions/procpool`,
	"procpool completion zsh": `  source <(procpool completion zsh)
  procpool completion zsh >"${fpath[1]}/_procpool"`,
	"procpool completion fish": `  procpool completion fish | source
  procpool completion fish >~/.config/fish/completions/procpool.fish`,
	"procpool completion powershell": `  procpool completion powershell | Out-String | Invoke-Expression`,
}
