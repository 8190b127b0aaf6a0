package testserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/bcrypt"
)

// The one user of a server with security.
const (
	username = "esnap"
	password = "esnap-test"
)

// local is a cluster of processes on this machine. Everything it has is in one temporary folder: lock, the roots of
// path.repo, ca.pem, and a home for each node.
type local struct {
	Options
	dir          string
	lock         *os.File            // held while this process lives, so that others know the folder is in use
	as           *syscall.Credential // who the servers run as, nil for the caller
	java         string
	distribution string
	certificates *certificates // nil without security
	nodes        []*node
}

// node is one process of the cluster.
type node struct {
	name            string
	home            string
	http, transport int      // ports
	roots           []string // path.repo
	settings        map[string]string
	process         *process
}

// startLocal starts the cluster as processes of this machine.
func startLocal(ctx context.Context, o Options, logf logFunc) (_ *Server, err error) {
	if o.Security && !o.Flavour.Security() {
		return nil, fmt.Errorf("%w: the distribution of %s has no security", ErrUnavailable, o.Flavour.Title())
	}
	java, err := findJava(o.Flavour)
	if err != nil {
		return nil, err
	}
	distribution, err := unpacked(ctx, o.Flavour, logf)
	if err != nil {
		return nil, err
	}
	removeAbandoned()
	l := &local{Options: o, java: java, distribution: distribution, as: unprivileged()}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.stop())
		}
	}()
	if err := l.prepare(); err != nil {
		return nil, err
	}
	for _, n := range l.nodes {
		logf("starting node %s on port %d in %s with %s", n.name, n.http, n.home, java)
		if err := l.launch(n); err != nil {
			return nil, err
		}
	}
	s := l.server()
	if err := s.awaitReady(ctx, l.dead, yellow); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, l.tail())
	}
	return s, s.checkVersion(ctx, o.Flavour)
}

// server describes the cluster to the caller.
func (l *local) server() *Server {
	s := &Server{
		Repo:     l.nodes[0].roots[0],
		stop:     l.stop,
		stopNode: func(i int) error { return l.nodes[i].process.kill() },

		startNode: func(i int) error { return l.launch(l.nodes[i]) },
		pauseNode: func(i int, on bool) error { return l.nodes[i].process.pause(on) },
		dead:      l.dead,
	}
	scheme := "http"
	if l.TLS {
		scheme = "https"
		s.CAFile = filepath.Join(l.dir, "ca.pem")
	}
	if l.Security {
		s.Username, s.Password = username, password
	}
	for _, n := range l.nodes {
		s.urls = append(s.urls, fmt.Sprintf("%s://127.0.0.1:%d", scheme, n.http))
		s.RepoPaths = append(s.RepoPaths, n.roots[0])
	}
	s.URL = s.urls[0]
	return s
}

// prepare makes the folder and in it everything that the nodes need.
func (l *local) prepare() (err error) {
	if l.dir, l.lock, err = newServerDir(); err != nil {
		return err
	}
	if l.as != nil {
		if err := enterable(l.dir); err != nil {
			return err
		}
	}
	if l.Security {
		if l.certificates, err = newCertificates(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(l.dir, "ca.pem"), l.certificates.authority, 0o644); err != nil {
			return err
		}
	}
	ports, err := freePorts(2 * l.Nodes)
	if err != nil {
		return err
	}
	for i := range l.Nodes {
		roots, err := l.roots(i)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("n%d", i)
		l.nodes = append(l.nodes, &node{
			name:      name,
			home:      filepath.Join(l.dir, name),
			http:      ports[2*i],
			transport: ports[2*i+1],
			roots:     roots,
		})
	}
	for i, n := range l.nodes {
		n.settings = l.settings(n)
		maps.Copy(n.settings, l.Settings)
		if i < len(l.NodeSettings) {
			maps.Copy(n.settings, l.NodeSettings[i])
		}
		if err := l.furnish(n); err != nil {
			return err
		}
	}
	return nil
}

// roots makes the folders of node i's path.repo and returns them. The server writes to them as whoever it is, and a
// test may want to as well.
func (l *local) roots(i int) ([]string, error) {
	names := []string{"repo"}
	if l.RepoRoots != nil {
		names = l.RepoRoots[i]
	}
	var roots []string
	for _, name := range names {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("RepoRoots: %q is not the name of a folder", name)
		}
		root := filepath.Join(l.dir, name)
		if err := mkdir(root); err != nil {
			return nil, err
		}
		if err := os.Chmod(root, 0o777); err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// settings returns the settings of a node, before those of the caller.
func (l *local) settings(n *node) map[string]string {
	list := func(of func(*node) string) string {
		var values []string
		for _, n := range l.nodes {
			values = append(values, of(n))
		}
		return yamlList(values)
	}
	names := list(func(n *node) string { return n.name })
	seeds := list(func(n *node) string { return fmt.Sprintf("127.0.0.1:%d", n.transport) })

	settings := map[string]string{
		"cluster.name": filepath.Base(l.dir),
		"node.name":    n.name,
		"network.host": "127.0.0.1",
		"http.port":    fmt.Sprint(n.http),
		"path.repo":    yamlList(n.roots),
		"cluster.routing.allocation.disk.threshold_enabled": "false",
	}
	if l.Nodes == 1 {
		settings["discovery.type"] = "single-node"
	}
	switch l.Flavour.major() {
	case "6":
		settings["transport.tcp.port"] = fmt.Sprint(n.transport)
		settings["bootstrap.system_call_filter"] = "false"
		settings["reindex.remote.whitelist"] = "127.0.0.1:*"
		if l.Nodes > 1 {
			settings["discovery.zen.ping.unicast.hosts"] = seeds
			settings["discovery.zen.minimum_master_nodes"] = fmt.Sprint(l.Nodes/2 + 1)
		}
	default:
		settings["transport.port"] = fmt.Sprint(n.transport)
		if l.Nodes > 1 {
			settings["discovery.seed_hosts"] = seeds
			settings[l.initialMasters()] = names
		}
	}
	if l.Flavour == ES6823X {
		settings["xpack.ml.enabled"] = "false" // a native process per node
	}
	if l.Flavour.Security() {
		settings["xpack.security.enabled"] = fmt.Sprint(l.Security)
	}
	if l.Security {
		for _, layer := range []string{"http", "transport"} {
			prefix := "xpack.security." + layer + ".ssl."
			settings[prefix+"enabled"] = fmt.Sprint(layer == "transport" || l.TLS)
			settings[prefix+"key"] = "node.key"
			settings[prefix+"certificate"] = "node.pem"
			settings[prefix+"certificate_authorities"] = `["ca.pem"]`
		}
	}
	return settings
}

// initialMasters names the setting that bootstraps a cluster of several nodes.
func (l *local) initialMasters() string {
	if l.Flavour.OpenSearch() && l.Flavour.major() != "1" {
		return "cluster.initial_cluster_manager_nodes"
	}
	return "cluster.initial_master_nodes"
}

// furnish makes the home of a node: the programs as hard links, and config, data, logs and tmp as its own.
func (l *local) furnish(n *node) error {
	entries, err := os.ReadDir(l.distribution)
	if err != nil {
		return err
	}
	config := filepath.Join(n.home, "config")
	for _, name := range []string{"config", "data", "logs", "plugins", "tmp"} {
		if err := mkdir(filepath.Join(n.home, name)); err != nil {
			return err
		}
	}
	for _, entry := range entries {
		from := filepath.Join(l.distribution, entry.Name())
		switch entry.Name() {
		case "config":
			err = os.CopyFS(config, os.DirFS(from))
		case "data", "logs", "plugins":
		default:
			err = link(from, filepath.Join(n.home, entry.Name()))
		}
		if err != nil {
			return err
		}
	}
	for name, content := range l.config(n) {
		if err := os.WriteFile(filepath.Join(config, name), content, 0o644); err != nil {
			return err
		}
	}
	return l.give(n.home, "config", "data", "logs", "tmp")
}

// config returns the files of a node's config folder that differ from the distribution's.
func (l *local) config(n *node) map[string][]byte {
	files := map[string][]byte{l.Flavour.product() + ".yml": yamlFile(n.settings)}
	heap := l.HeapMB
	if heap == 0 {
		heap = 512
	}
	// The optimising compiler costs half of a start's CPU time, and a test's server does not live to see it pay.
	options := fmt.Sprintf("-Xms%dm\n-Xmx%dm\n-XX:TieredStopAtLevel=1\n", heap, heap)
	if distributions[l.Flavour].ownJVMOptions {
		files["jvm.options"] = []byte(options + jvmOptions6)
	} else {
		files["jvm.options.d/esnap.options"] = []byte(options)
	}
	if l.certificates != nil {
		files["ca.pem"] = l.certificates.authority
		files["node.pem"] = l.certificates.certificate
		files["node.key"] = l.certificates.key
		users := fmt.Appendf(nil, "%s:%s\n", username, hashOf(password))
		members := map[string][]string{"superuser": {username}} // by role
		var roles []byte
		hash := hashOf(RolePassword)
		for _, name := range slices.Sorted(maps.Keys(l.Roles)) {
			users = fmt.Appendf(users, "%s:%s\n", name, hash)
			members[name] = append(members[name], name)
			roles = fmt.Appendf(roles, "%s: %s\n", name, l.Roles[name])
		}
		for _, name := range slices.Sorted(maps.Keys(l.Users)) {
			users = fmt.Appendf(users, "%s:%s\n", name, hash)
			for _, role := range l.Users[name] {
				members[role] = append(members[role], name)
			}
		}
		var usersRoles []byte
		for _, role := range slices.Sorted(maps.Keys(members)) {
			usersRoles = fmt.Appendf(usersRoles, "%s:%s\n", role, strings.Join(members[role], ","))
		}
		files["users"], files["users_roles"], files["roles.yml"] = users, usersRoles, roles
	}
	return files
}

func hashOf(password string) []byte {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err) // only a password or a cost out of range
	}
	return hash
}

// jvmOptions6 replaces the options that 6.x ships, which name a garbage collector and flags that JDK 17 has not got.
// The last lines let it reach into the JDK as it did before modules were closed.
const jvmOptions6 = `-Xss1m
-XX:+UseSerialGC
-Djava.awt.headless=true
-Dfile.encoding=UTF-8
-Djava.io.tmpdir=${ES_TMPDIR}
-Djna.nosys=true
-Des.networkaddress.cache.ttl=60
-Des.networkaddress.cache.negative.ttl=10
-Dio.netty.noUnsafe=true
-Dio.netty.noKeySetOptimization=true
-Dio.netty.recycler.maxCapacityPerThread=0
-Dlog4j.shutdownHookEnabled=false
-Dlog4j2.disable.jmx=true
-Djava.security.manager=allow
--add-opens=java.base/java.io=ALL-UNNAMED
--add-opens=java.base/java.nio.channels=ALL-UNNAMED
--add-opens=java.base/sun.nio.ch=ALL-UNNAMED
`

// give makes the server the owner of these folders of its home.
func (l *local) give(home string, folders ...string) error {
	if l.as == nil {
		return nil
	}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(home, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, int(l.as.Uid), int(l.as.Gid))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// launch starts the process of a node. Its environment is its own, so that no JAVA_OPTS of the caller get in.
func (l *local) launch(n *node) error {
	out, err := os.Create(filepath.Join(n.home, "out.log"))
	if err != nil {
		return err
	}
	defer out.Close()
	tmp := filepath.Join(n.home, "tmp")
	cmd := exec.Command(filepath.Join(n.home, "bin", l.Flavour.product()))
	cmd.Dir = n.home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + n.home, "LC_ALL=C.UTF-8",
		"JAVA_HOME=" + l.java, "ES_JAVA_HOME=" + l.java, "OPENSEARCH_JAVA_HOME=" + l.java,
		"ES_TMPDIR=" + tmp, "OPENSEARCH_TMPDIR=" + tmp,
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processAttributes(l.as)
	n.process, err = startProcess(cmd)
	return err
}

// dead returns an error when a node has ended.
func (l *local) dead() error {
	for _, n := range l.nodes {
		if n.process.exited() {
			return fmt.Errorf("node %s ended: %s", n.name, n.process.cmd.ProcessState)
		}
	}
	return nil
}

// tail returns the last lines of every node's log.
func (l *local) tail() string {
	var b strings.Builder
	for _, n := range l.nodes {
		log, err := os.ReadFile(filepath.Join(n.home, "out.log"))
		if err != nil {
			log = []byte(err.Error())
		}
		fmt.Fprintf(&b, "last lines of node %s:\n%s\n", n.name, lastLines(string(log), 20))
	}
	return b.String()
}

// stop ends all nodes at the same time and removes the folder. It works on a cluster that was only half started.
func (l *local) stop() error {
	errs := make(chan error)
	for _, n := range l.nodes {
		go func() {
			if n.process == nil {
				errs <- nil
				return
			}
			errs <- n.process.stop()
		}()
	}
	var err error
	for range l.nodes {
		err = errors.Join(err, <-errs)
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir), l.lock.Close())
	}
	return err
}

// serverDirs matches the folders of servers, see newServerDir.
const serverDirs = "esnap-server-*"

// newServerDir makes the folder of a server, and the file "lock" in it, locked until it is closed. The folder gets its
// name only then, so that removeAbandoned never sees one without.
func newServerDir() (string, *os.File, error) {
	tmp, err := os.MkdirTemp("", "esnap-new-")
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Join(filepath.Dir(tmp), strings.Replace(filepath.Base(tmp), "-new-", "-server-", 1))
	lock, err := os.Create(filepath.Join(tmp, "lock"))
	if err == nil {
		err = errors.Join(flock(lock, syscall.LOCK_EX), mkdir(tmp), os.Rename(tmp, dir))
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		return "", nil, err
	}
	return dir, lock, nil
}

// removeAbandoned removes the folders of servers whose process was killed before it could. It is done for tidiness,
// so what cannot be removed is left.
func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), serverDirs))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue
		}
		if flock(lock, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// enterable makes sure that other users may enter the folder.
func enterable(dir string) error {
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("the server does not run as root and cannot enter %s: set TMPDIR to a folder open to all", dir)
		}
	}
	return nil
}

// freePorts returns n ports of the loopback interface that nothing listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // after the last was opened, so that no port comes twice
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// yamlList returns a list in YAML's flow style.
func yamlList(values []string) string {
	list, _ := json.Marshal(values) // strings always can be
	return string(list)
}

// yamlFile returns a settings file, sorted by name.
func yamlFile(settings map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s: %s\n", name, settings[name])
	}
	return b.Bytes()
}
