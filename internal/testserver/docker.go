package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"
)

// dockerRepo is the path.repo of a container: a folder in memory that every user may write to.
const dockerRepo = "/backup"

// startDocker starts the official image in a container. Docker's own rules apply: a missing image is pulled, and the
// ryuk container that removes what a killed process left behind is turned off by TESTCONTAINERS_RYUK_DISABLED.
func startDocker(ctx context.Context, o Options, logf logFunc) (_ *Server, err error) {
	if !o.plain() {
		return nil, fmt.Errorf("%w: several nodes, their own settings, security and TLS are not supported by the docker provider",
			ErrUnavailable)
	}
	if err := dockerHealth(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	image := o.Flavour.image()
	logf("starting a container of %s", image)
	container, err := testcontainers.Run(ctx, image,
		testcontainers.WithExposedPorts("9200/tcp"),
		testcontainers.WithEnv(dockerEnv(o)),
		testcontainers.WithTmpfs(map[string]string{dockerRepo: "rw,mode=1777"}),
		testcontainers.WithLogger(log.NewNoopLogger()),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout,
			wait.ForHTTP("/_cluster/health?wait_for_status=yellow").WithPort("9200/tcp").
				WithStartupTimeout(startTimeout).WithPollInterval(200*time.Millisecond)),
	)
	stop := func() error { return testcontainers.TerminateContainer(container) }
	defer func() { // a container may be there although there is an error
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	if container == nil && ctx.Err() == nil { // the image is not to be had
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, dockerTail(container))
	}
	url, err := container.PortEndpoint(ctx, "9200/tcp", "http")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: url, Repo: dockerRepo, urls: []string{url}, stop: stop}
	return s, s.checkVersion(ctx, o.Flavour)
}

// dockerEnv returns the settings as environment, which the official images turn into settings.
func dockerEnv(o Options) map[string]string {
	heap := o.HeapMB
	if heap == 0 {
		heap = 256
	}
	java := fmt.Sprintf("-Xms%dm -Xmx%dm", heap, heap)
	env := map[string]string{
		"discovery.type": "single-node",
		"path.repo":      dockerRepo,
		"cluster.routing.allocation.disk.threshold_enabled": "false",
		"ES_JAVA_OPTS":         java,
		"OPENSEARCH_JAVA_OPTS": java,
	}
	switch {
	case o.Flavour.OpenSearch():
		env["DISABLE_SECURITY_PLUGIN"] = "true"
		env["DISABLE_INSTALL_DEMO_CONFIG"] = "true"
	case o.Flavour.Security(): // the image has x-pack where the distribution has
		env["xpack.security.enabled"] = "false"
	}
	maps.Copy(env, o.Settings)
	return env
}

// dockerHealth returns an error when there is no Docker that answers.
func dockerHealth(ctx context.Context) (err error) {
	defer func() { // GetProvider panics when it finds no Docker
		if r := recover(); r != nil {
			err = fmt.Errorf("docker: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	provider, err := testcontainers.ProviderDocker.GetProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		return err
	}
	defer provider.Close()
	return provider.Health(ctx)
}

// dockerTail returns the last lines of a container's log, if there is a container. It does so even if the context of
// the start has ended.
func dockerTail(c *testcontainers.DockerContainer) string {
	if c == nil {
		return ""
	}
	logs, err := c.Logs(context.Background())
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text), 20)
}
