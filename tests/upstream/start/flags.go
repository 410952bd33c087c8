package start

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
)

var names = regexp.MustCompile(`--([a-z0-9-]+)`)

// known are the flags that the server names in its help.
var known = sync.OnceValue(func() map[string]bool {
	found := map[string]bool{"feature-gates": true}
	help, _ := exec.Command(os.Getenv("CORTEN"), "server", "--help").Output()
	for _, match := range names.FindAllStringSubmatch(string(help), -1) {
		found[match[1]] = true
	}
	return found
})

// Known gives the flags that the server has, each as --NAME=VALUE, and those that it has not. The range of Services
// has another name there.
func Known(flags []string) (taken, left []string) {
	for i := 0; i < len(flags); i++ {
		name, value, said := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		if !said && i+1 < len(flags) && !strings.HasPrefix(flags[i+1], "-") {
			i++
			value = flags[i]
		} else if !said {
			value = "true"
		}
		if name == "service-cluster-ip-range" {
			name = "service-cidr"
		}
		if known()[name] {
			taken = append(taken, "--"+name+"="+value)
		} else {
			left = append(left, name)
		}
	}
	return taken, left
}

// Or gives the flags with this one where none of them begins so.
func Or(flags []string, start, flag string) []string {
	for _, one := range flags {
		if strings.HasPrefix(one, start) {
			return flags
		}
	}
	return append(flags, flag)
}
