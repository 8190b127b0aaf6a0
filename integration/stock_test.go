//go:build integration

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStock runs KubeSphere's stock files word for word, as the CronJob of their
// release does, on the server of that release: in a root that holds what the image
// holds, as user 16, with the host in the client file led to the test's server.
// With ESNAP_TEST_IMAGE it is that image, in Docker.
func TestStock(t *testing.T) {
	binary := build(t)
	forEachServer(t, func(e *env) {
		ran := 0
		for _, r := range releases {
			if slices.Contains(r.servers, e.flavour) {
				ran++
				e.stock(r, binary)
			}
		}
		if ran == 0 {
			e.notApplicable("no release of KubeSphere has this server")
		}
	})
}

// stock is the night of one release, as a dry run and for real.
func (e *env) stock(r release, binary string) {
	e.Helper()
	e.Logf("KubeSphere %s", r.name)
	e.oneDate()
	names := r.names(e.now)
	everything := func() []string { return e.indices("") }
	// The files do not know whose an index is. Nor does a cluster that was given
	// for tests have to be empty.
	foreign := everything()
	require.Empty(e, r.due(foreign, e.now), "the cluster holds indices that are not this test's and would be deleted")
	require.Equal(e, foreign, without(foreign, names), "the cluster holds indices that this test would make")
	defer func() { e.deleteIndices(without(everything(), foreign)...) }()
	docs := map[string]int{}
	for _, n := range names {
		docs[n] = 1
	}
	e.template("*")
	e.fill(20, docs)
	before := everything()
	require.Subset(e, before, names)
	due := r.due(before, e.now)
	require.Greater(e, len(due), len(r.families))

	door := e.door(r)
	c := newContainer(e, binary)
	c.mount(path.Join(r.mount, "config.yml"), r.file(e, "config.yml"))
	c.mount(path.Join(r.mount, "action_file.yml"), r.file(e, "action_file.yml"))
	if (c.chroot || c.image != "") && door.stock {
		c.hosts = r.host + ":" + door.ip
		c.mount("/etc/hosts", "127.0.0.1 localhost\n"+door.ip+" "+r.host+"\n")
	} else {
		c.env = append(c.env, "ESNAP_URL="+door.URL)
	}

	// The chart's hook job says curator, others only args.
	for _, command := range [][]string{r.command, {"curator"}, {"curator/curator"}, nil} {
		said := c.run(command, append([]string{"--dry-run"}, r.args()...))
		require.Equal(e, due, wouldDelete(said), "%v: %s", command, said)
	}
	c.env = append(c.env, "ESNAP_DRY_RUN=1")
	require.Equal(e, due, wouldDelete(c.run(r.command, r.args())))
	c.env = c.env[:len(c.env)-1]
	require.Empty(e, door.took())
	require.Equal(e, before, everything())

	r.requireMilestones(e, c.run(r.command, r.args()))
	require.Equal(e, without(before, due), everything())
	for _, w := range door.took() {
		require.True(e, strings.HasPrefix(w, "DELETE /"), w)
	}
	require.Equal(e, r.auth, door.user(), "what the client file says")

	writes := len(door.took())
	said := c.run(r.command, r.args())
	r.requireMilestones(e, said)
	require.Equal(e, len(r.families), strings.Count(said, `Skipping action "delete_indices" due to empty list`))
	require.Len(e, door.took(), writes)
	require.Equal(e, without(before, due), everything())
}

// door stands where KubeSphere's service is: the address that the client file
// names, with TLS where it asks for that. Behind it is the test's server.
type door struct {
	*httptest.Server
	ip    string
	stock bool // it has the service's port, so that only the name has to be led here

	mu     sync.Mutex
	writes []string
	auth   string
}

func (e *env) door(r release) *door {
	e.Helper()
	behind, err := url.Parse(e.server.URL)
	require.NoError(e, err)
	d := &door{ip: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 1+rand.IntN(254))}
	d.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: e.client.Transport,
		ErrorLog:  log.New(io.Discard, "", 0), // a run that ends takes back what it has asked
		Rewrite: func(p *httputil.ProxyRequest) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if p.In.Method != http.MethodGet && p.In.Method != http.MethodHead {
				d.writes = append(d.writes, p.In.Method+" "+p.In.URL.RequestURI())
			}
			user, password, _ := p.In.BasicAuth()
			d.auth = strings.Trim(user+":"+password, ":")
			p.SetURL(behind)
			p.Out.Header.Del("Authorization")
			if e.server.Username != "" {
				p.Out.SetBasicAuth(e.server.Username, e.server.Password)
			}
		},
	})
	if l, err := net.Listen("tcp", net.JoinHostPort(d.ip, "9200")); err == nil {
		d.Listener.Close()
		d.Listener, d.stock = l, true
	} else {
		e.Logf("not at the service's port, so ESNAP_URL names the server: %s", err)
	}
	if r.tls {
		d.StartTLS()
	} else {
		d.Start()
	}
	e.Cleanup(d.Close)
	return d
}

// took are the requests so far that can change something.
func (d *door) took() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.writes)
}

// user is who the last request came from.
func (d *door) user() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.auth
}

// container is a root like the image's, or the image. Where this process may not
// give another its own root, the binary runs from there without it.
type container struct {
	e      *env
	root   string
	env    []string
	hosts  string // host:address
	chroot bool
	image  string
}

// searched is PATH in a container whose image does not set it.
const searched = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func newContainer(e *env, binary string) *container {
	e.Helper()
	c := &container{e: e, root: e.TempDir(), image: os.Getenv("ESNAP_TEST_IMAGE")}
	require.NoError(e, os.Chmod(c.root, 0o755))
	if c.image != "" {
		return c
	}
	c.env = []string{"PATH=" + searched, "HOME=/"}
	data, err := os.ReadFile(binary)
	require.NoError(e, err)
	c.mount(entrypoint, string(data))
	require.NoError(e, os.Chmod(filepath.Join(c.root, entrypoint), 0o755))
	if authorities, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		c.mount("/etc/ssl/certs/ca-certificates.crt", string(authorities))
	}
	out, err := exec.Command("../scripts/image-links.sh", c.root).CombinedOutput()
	require.NoError(e, err, "%s", out)

	c.chroot = true
	switch err := c.command([]string{"curator"}, []string{"--version"}).Run(); {
	case errors.Is(err, syscall.EPERM):
		c.chroot = false
		e.Logf("without a root of its own and as this user, because that is not allowed here: %s", err)
	default:
		require.NoError(e, err)
	}
	return c
}

// mount puts a file into the root, readable for everybody.
func (c *container) mount(name, text string) {
	c.e.Helper()
	file := filepath.Join(c.root, name)
	require.NoError(c.e, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(c.e, os.WriteFile(file, []byte(text), 0o644))
}

// command is a command line as a container engine starts it: found through PATH,
// or relative to /, or the image's ENTRYPOINT.
func (c *container) command(command, args []string) *exec.Cmd {
	if c.image != "" {
		docker := []string{"run", "--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host"}
		if c.hosts != "" {
			docker = append(docker, "--add-host", c.hosts)
		}
		for _, v := range c.env {
			docker = append(docker, "--env", v)
		}
		mount := filepath.Dir(args[len(args)-1])
		docker = append(docker, "--volume", filepath.Join(c.root, mount)+":"+mount+":ro")
		if len(command) > 0 {
			docker = append(docker, "--entrypoint", command[0])
		}
		return exec.Command("docker", slices.Concat(docker, []string{c.image}, args)...)
	}
	if len(command) == 0 {
		command = []string{entrypoint}
	}
	line := slices.Concat(command, args)
	if !c.chroot {
		for i, a := range line[1:] {
			if strings.HasPrefix(a, "/") {
				line[1+i] = filepath.Join(c.root, a)
			}
		}
		return &exec.Cmd{Path: filepath.Join(c.root, entrypoint), Args: line, Env: c.env, Dir: c.root}
	}
	program := line[0]
	if !strings.Contains(program, "/") {
		for dir := range strings.SplitSeq(searched, ":") {
			// What a link there points to is not for this process to say.
			if _, err := os.Lstat(filepath.Join(c.root, dir, line[0])); err == nil {
				program = path.Join(dir, line[0])
				break
			}
		}
	}
	return &exec.Cmd{
		Path: program, Args: line, Env: c.env, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Chroot: c.root, Credential: &syscall.Credential{Uid: 16, Gid: 16}},
	}
}

// run runs a command line that must succeed, and returns its log.
func (c *container) run(command, args []string) string {
	c.e.Helper()
	cmd := c.command(command, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(c.e, cmd.Run(), "%v %v\n%s%s", command, args, &stdout, &stderr)
	require.Empty(c.e, stderr.String(), "Curator 5 writes everything to stdout")
	return stdout.String()
}

// oneDate keeps midnight out of what follows: a night has one date.
func (e *env) oneDate() {
	e.now = time.Now().UTC()
	if left := time.Until(e.now.Truncate(24 * time.Hour).Add(24 * time.Hour)); left < 5*time.Minute {
		time.Sleep(left + time.Second)
		e.now = time.Now().UTC()
	}
}
