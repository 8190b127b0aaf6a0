package es

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const canarySecret = "c4n4ry"

// amazon answers for everything that hands out credentials: every address leads to it.
type amazon struct {
	t        *testing.T
	finder   finder
	env      map[string]string
	replies  map[string]string // by method and path; "403 body" is a failure; others do not exist
	requests []*http.Request
	forms    []url.Values
}

func newAmazon(t *testing.T, env map[string]string) *amazon {
	a := &amazon{t: t, env: map[string]string{}, replies: map[string]string{}}
	for k, v := range env {
		a.env[k] = v
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		a.requests, a.forms = append(a.requests, r), append(a.forms, form)
		reply, ok := a.replies[r.Method+" "+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		status := 200
		if n, _ := fmt.Sscanf(reply, "%d ", &status); n == 1 {
			reply = reply[4:]
		}
		if status == http.StatusTemporaryRedirect {
			w.Header().Set("Location", reply)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(server.Close)
	a.finder = newFinder("eu-west-1")
	a.finder.env = func(name string) string { return a.env[name] }
	a.finder.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	return a
}

// file is a file with a content.
func (a *amazon) file(content string) string {
	name := filepath.Join(a.t.TempDir(), "file")
	require.NoError(a.t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// credentials are what is found, or why there are none.
func (a *amazon) credentials() (aws.Credentials, error) {
	p, err := a.finder.find()
	if err != nil {
		return aws.Credentials{}, err
	}
	return p.Retrieve(a.t.Context())
}

const (
	role      = "arn:aws:iam::123456789012:role/esnap"
	roleReply = `{"Code":"Success","AccessKeyId":"AKROLE","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-21T02:00:00Z"}`
	stsReply  = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/esnap/esnap</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>a+b/c&amp;=</SessionToken><SecretAccessKey>s</SecretAccessKey>
      <Expiration>2026-11-21T02:00:00Z</Expiration><AccessKeyId>AKWEB</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`
	stsRefusal = `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`
)

var expires = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

// The first source that is set is the one that counts, in the order of Amazon's tools.
func TestAWSPrecedence(t *testing.T) {
	a := newAmazon(t, nil)
	a.env["AWS_ACCESS_KEY_ID"], a.env["AWS_SECRET_ACCESS_KEY"] = "AKENV", "s"
	a.env["AWS_WEB_IDENTITY_TOKEN_FILE"], a.env["AWS_ROLE_ARN"], a.env["AWS_ENDPOINT_URL_STS"] = a.file("jwt"), role, "http://sts"
	a.env["AWS_SHARED_CREDENTIALS_FILE"] = a.file("[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n")
	a.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], a.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "/relative", "http://127.0.0.1/full"
	as := func(key string) string { return strings.Replace(roleReply, "AKROLE", key, 1) }
	a.replies = map[string]string{
		"POST /": stsReply, "GET /relative": as("AKRELATIVE"), "GET /full": as("AKFULL"),
		"PUT /latest/api/token": "tok", "GET /latest/meta-data/iam/security-credentials/": "r",
		"GET /latest/meta-data/iam/security-credentials/r": as("AKINSTANCE"),
	}
	for _, step := range []struct {
		key   string
		unset []string
	}{
		{"AKENV", []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
		{"AKWEB", []string{"AWS_WEB_IDENTITY_TOKEN_FILE"}},
		{"AKFILE", []string{"AWS_SHARED_CREDENTIALS_FILE"}},
		{"AKRELATIVE", []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}},
		{"AKFULL", []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
		{"AKINSTANCE", nil},
	} {
		c, err := a.credentials()
		require.NoError(t, err, step.key)
		require.Equal(t, step.key, c.AccessKeyID)
		for _, name := range step.unset {
			delete(a.env, name)
		}
	}
}

func TestAWSFromTheEnvironment(t *testing.T) {
	c, err := newAmazon(t, map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}).credentials()
	require.NoError(t, err)
	require.Equal(t, [3]string{"AK", "s", "t"}, [3]string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken})
	_, err = newAmazon(t, map[string]string{"AWS_SECRET_ACCESS_KEY": canarySecret}).credentials()
	require.EqualError(t, err, "aws_access_key_id and aws_secret_access_key must be set together, but the environment has only one of them")
	_, err = newAmazon(t, map[string]string{"AWS_EC2_METADATA_DISABLED": "TRUE"}).credentials()
	require.ErrorContains(t, err, "AWS_EC2_METADATA_DISABLED forbids the machine's role")
}

func TestAWSWebIdentity(t *testing.T) {
	a := newAmazon(t, map[string]string{"AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL_STS": "http://sts.test"})
	a.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = a.file(canarySecret + "\n")
	a.replies["POST /"] = stsReply
	c, err := a.credentials()
	require.NoError(t, err)
	require.Equal(t, aws.Credentials{
		AccessKeyID:     "AKWEB",
		SecretAccessKey: "s",
		SessionToken:    "a+b/c&=",
		CanExpire:       true,
		Expires:         expires,
	}, c)
	require.Equal(t, url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {role}, "RoleSessionName": {"esnap"}, "WebIdentityToken": {canarySecret},
	}, a.forms[0])
	require.Equal(t, "sts.test", a.requests[0].Host)

	// The kubelet writes the token anew.
	require.NoError(t, os.WriteFile(a.env["AWS_WEB_IDENTITY_TOKEN_FILE"], []byte("second"), 0o600))
	a.env["AWS_ROLE_SESSION_NAME"] = "night"
	_, err = a.credentials()
	require.NoError(t, err)
	require.Equal(t, "second", a.forms[1].Get("WebIdentityToken"))
	require.Equal(t, "night", a.forms[1].Get("RoleSessionName"))

	require.NoError(t, os.WriteFile(a.env["AWS_WEB_IDENTITY_TOKEN_FILE"], []byte(canarySecret), 0o600))
	for _, c := range []struct {
		reply, text string
		again       bool
	}{
		{
			"403 " + fmt.Sprintf(stsRefusal, "AccessDenied", "Not authorized with "+canarySecret),
			"sts.test did not return credentials for " + role + ": HTTP 403: AccessDenied: Not authorized with …",
			false,
		},
		{"400 " + fmt.Sprintf(stsRefusal, "IDPCommunicationError", "try later"), "HTTP 400: IDPCommunicationError: try later", true},
		{"400 " + fmt.Sprintf(stsRefusal, "InvalidIdentityToken", "no provider"), "HTTP 400: InvalidIdentityToken: no provider", true},
		{"503 <html>" + canarySecret, "HTTP 503", true},
		{"307 http://elsewhere.test/", "HTTP 307", false},
		{"<html>" + canarySecret, "the reply does not contain the expiry time of the credentials", false},
		{`<R><Expiration>2026-11-21T02:00:00Z</Expiration></R>`, "the reply does not contain a key", false},
	} {
		a.requests, a.replies["POST /"] = nil, c.reply
		_, err := a.credentials()
		require.ErrorContains(t, err, c.text)
		require.ErrorContains(t, err, "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE: ")
		require.NotContains(t, err.Error(), canarySecret)
		require.Equal(t, c.again, isPassing(err), "%s", err)
		require.Len(t, a.requests, 1, "a token goes to one address only")
	}

	a.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/nowhere/token"
	_, err = a.credentials()
	require.ErrorContains(t, err, "_TOKEN_FILE")
	require.ErrorContains(t, err, "no such file")
	require.NotContains(t, err.Error(), "/nowhere/token", "it may be the token itself")
	delete(a.env, "AWS_ROLE_ARN")
	_, err = a.credentials()
	require.ErrorContains(t, err, "AWS_ROLE_ARN is not")
}

func TestAWSTokenServiceOfARegion(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1": "https://sts.eu-central-1.amazonaws.com", "us-gov-west-1": "https://sts.us-gov-west-1.amazonaws.com",
		"cn-north-1":    "https://sts.cn-north-1.amazonaws.com.cn",
		"us-iso-east-1": "https://sts.us-iso-east-1.c2s.ic.gov", "us-isob-east-1": "https://sts.us-isob-east-1.sc2s.sgov.gov",
	} {
		require.Equal(t, want, finder{env: func(string) string { return "" }, region: region}.sts())
	}
	env := map[string]string{"AWS_ENDPOINT_URL": "http://all"}
	f := finder{env: func(n string) string { return env[n] }, region: "eu-west-1"}
	require.Equal(t, "http://all", f.sts())
	env["AWS_ENDPOINT_URL_STS"] = "http://sts"
	require.Equal(t, "http://sts", f.sts())
}

func TestAWSContainer(t *testing.T) {
	a := newAmazon(t, nil)
	tokenFile := a.file("from-file\n")
	for _, c := range []struct {
		name              string
		env               map[string]string
		host, path, token string
	}{
		{"ECS", map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}, "169.254.170.2", "/v2/credentials/x", ""},
		{
			"a token",
			map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "direct"},
			"127.0.0.1",
			"/x",
			"direct",
		},
		{"EKS", map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN":  "direct", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tokenFile,
		}, "169.254.170.23", "/v1/credentials", "from-file"},
		{
			"EKS with IPv6",
			map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/v1/credentials"},
			"[fd00:ec2::23]",
			"/v1/credentials",
			"",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAmazon(t, c.env)
			a.replies["GET "+c.path] = strings.Replace(roleReply, `"Code":"Success",`, "", 1)
			got, err := a.credentials()
			require.NoError(t, err)
			require.Equal(t, aws.Credentials{AccessKeyID: "AKROLE", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: expires}, got)
			require.Equal(t, c.host, a.requests[0].Host)
			require.Equal(t, c.token, a.requests[0].Header.Get("Authorization"))
		})
	}
	const uri = "http://127.0.0.1/" + canarySecret
	for _, c := range []struct {
		name, uri, reply, text string
		again                  bool
	}{
		{"http to elsewhere", "http://8.8.8.8/" + canarySecret, "", "not to 8.8.8.8", false},
		{"http to a name", "http://metadata.test/", "", "not to metadata.test", false},
		{"no URL", "127.0.0.1:80/" + canarySecret, "", "is not a valid URL", false},
		{"no host", "http:///" + canarySecret, "", "is not a valid URL", false},
		{"refused", uri, `403 {"code":"AccessDenied","message":"no such role"}`, "HTTP 403: AccessDenied: no such role", false},
		{"refused in another way", uri, `{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}`, "AssumeRoleUnauthorizedAccess: no", false},
		{"overloaded", uri, "429 " + canarySecret, "HTTP 429", true},
		{"not JSON", uri, "<html>", "not the expected JSON", false},
		{"null", uri, "null", "the reply does not contain a key", false},
		{"endless", uri, `{"AccessKeyId":"` + strings.Repeat("a", 2*maxCredentials) + `"}`, "not the expected JSON", false},
		{"a redirection", uri, "307 http://8.8.8.8/", "HTTP 307", false},
	} {
		a := newAmazon(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": c.uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": canarySecret})
		a.replies["GET /"+canarySecret] = c.reply
		_, err := a.credentials()
		require.ErrorContains(t, err, c.text, c.name)
		require.ErrorContains(t, err, "the container's role of AWS_CONTAINER_CREDENTIALS_FULL_URI: ")
		require.NotContains(t, err.Error(), canarySecret, c.name)
		require.Equal(t, c.again, isPassing(err), c.name)
	}
	a.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri
	a.finder.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	})
	_, err := a.credentials()
	require.True(t, isPassing(err), "the agent may be starting: %s", err)
	require.NotContains(t, err.Error(), canarySecret)
	a.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/nowhere/token"
	_, err = a.credentials()
	require.ErrorContains(t, err, "_TOKEN_FILE")
	require.ErrorContains(t, err, "no such file")
	require.NotContains(t, err.Error(), "/nowhere/token", "it may be the token itself")
}

func TestAWSInstance(t *testing.T) {
	const roles = "GET /latest/meta-data/iam/security-credentials/"
	whole := map[string]string{"PUT /latest/api/token": "tok", roles: "my-role\nanother", roles + "my-role": roleReply}
	for _, c := range []struct {
		name    string
		env     map[string]string
		change  map[string]string
		host    string
		text    string
		passing bool
	}{
		{name: "the usual address", host: "169.254.169.254"},
		{name: "IPv6", env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}, host: "[fd00:ec2::254]"},
		{
			name: "an address of one's own",
			env:  map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.test/", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"},
			host: "imds.test",
		},
		{name: "no role", change: map[string]string{roles: ""}, text: "this machine does not have a role"},
		{name: "no role, said otherwise", change: map[string]string{roles: "404 not found"}, text: "this machine does not have a role"},
		{
			name:   "a role without credentials",
			change: map[string]string{roles + "my-role": `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}`},
			text:   "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role",
		},
		{
			name:   "no token",
			change: map[string]string{"PUT /latest/api/token": "403 no"},
			text:   "the metadata service did not return a token: HTTP 403",
		},
		{name: "overloaded", change: map[string]string{roles + "my-role": "503 later"}, text: "HTTP 503", passing: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAmazon(t, c.env)
			for k, v := range whole {
				a.replies[k] = v
			}
			for k, v := range c.change {
				a.replies[k] = v
			}
			got, err := a.credentials()
			if c.text != "" {
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, "the machine's role: ")
				require.Equal(t, c.passing, isPassing(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, aws.Credentials{AccessKeyID: "AKROLE", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: expires}, got)
			require.Equal(t, "60", a.requests[0].Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
			for _, r := range a.requests[1:] {
				require.Equal(t, "tok", r.Header.Get("X-Aws-Ec2-Metadata-Token"))
			}
			require.Equal(t, c.host, a.requests[0].Host)
		})
	}
}

func TestAWSProfiles(t *testing.T) {
	const (
		plain = "# comment\n[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key=s=/+ # the one of 2026\n\n" +
			"[ other ]\nAWS_ACCESS_KEY_ID = AKOTHER\naws_secret_access_key = o\naws_session_token = t\n"
		config = "[default]\nregion = eu-west-1\ns3 =\n  aws_access_key_id = AKNESTED\n[profile other]\naws_access_key_id = AKCONFIG\n" +
			"aws_secret_access_key = c\n[profile sso]\nsso_session = x\n[profile default]\noutput = json\n[profile chained]\n" +
			"source_profile = other\nrole_arn = r\n[profile process]\ncredential_process = /bin/x\n"
	)
	for _, c := range []struct {
		name                string
		profile             string
		credentials, config string
		key, secret, token  string
		text                string
	}{
		{name: "default", credentials: plain, config: config, key: "AKDEFAULT", secret: "s=/+"},
		{name: "named", profile: "other", credentials: plain, config: config, key: "AKOTHER", secret: "o", token: "t"},
		{name: "in the configuration file", profile: "other", config: config, key: "AKCONFIG", secret: "c"},
		{name: "none, and nobody asked for one", config: config, text: "there is no metadata service of EC2"},
		{
			name:        "missing",
			profile:     "gone",
			credentials: plain,
			config:      config,
			text:        `names the profile "gone", which is neither in Amazon's credentials file nor in its configuration file`,
		},
		{name: "no files", profile: "gone", text: `names the profile "gone"`},
		{
			name:        "sso",
			profile:     "sso",
			credentials: plain,
			config:      config,
			text:        `the profile "sso" has sso_session, which esnap does not support`,
		},
		{name: "source_profile", profile: "chained", config: config, text: `the profile "chained" has role_arn, which esnap does not support`},
		{name: "a role beside a key", credentials: plain + "[default]\nrole_arn = r\ncredential_source = Environment\n", text: `has role_arn`},
		{name: "a process", profile: "process", config: config, text: `has credential_process`},
		{
			name:        "a key wins over a process",
			profile:     "process",
			config:      config,
			credentials: "[process]\naws_access_key_id=AK\naws_secret_access_key=s",
			key:         "AK",
			secret:      "s",
		},
		{name: "half a key", credentials: "[default]\naws_access_key_id = AK\n", text: `the profile "default" has only one of them`},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
			a := newAmazon(t, map[string]string{"HOME": home, "AWS_PROFILE": c.profile})
			for name, content := range map[string]string{"credentials": c.credentials, "config": c.config} {
				if content != "" {
					require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", name), []byte(content), 0o600))
				}
			}
			a.finder.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
			got, err := a.credentials()
			if c.text != "" {
				require.ErrorContains(t, err, c.text)
				require.False(t, isPassing(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, [3]string{c.key, c.secret, c.token}, [3]string{got.AccessKeyID, got.SecretAccessKey, got.SessionToken})
		})
	}
	a := newAmazon(t, nil)
	a.env["AWS_SHARED_CREDENTIALS_FILE"] = t.TempDir()
	_, err := a.credentials()
	require.ErrorContains(t, err, "read Amazon's profiles: ")
}

func isPassing(err error) bool {
	var p passing
	return errors.As(err, &p)
}

// Credentials are asked for once, and again shortly before they expire.
func TestAWSCredentialsAreKept(t *testing.T) {
	asked, left := 0, time.Hour
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = io.WriteString(w, strings.Replace(stsReply, "2026-11-21T02:00:00Z", time.Now().Add(left).UTC().Format(time.RFC3339), 1))
	}))
	defer sts.Close()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("jwt"), 0o600))
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_ACCESS_KEY": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SECRET_KEY": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL_STS": sts.URL,
	} {
		t.Setenv(name, value)
	}
	for _, c := range []struct {
		left  time.Duration
		asked int
	}{{time.Hour, 1}, {expiryWindow - time.Minute, 3}} {
		asked, left = 0, c.left
		s, err := newSigner(AWS{Region: "eu-west-1"}, roundTrip(func(r *http.Request) (*http.Response, error) {
			require.Contains(t, r.Header.Get("Authorization"), "Credential=AKWEB/")
			require.Equal(t, "a+b/c&=", r.Header.Get("X-Amz-Security-Token"))
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		require.NoError(t, err)
		for range 3 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://es:9200/", nil)
			require.NoError(t, err)
			_, err = s.RoundTrip(r)
			require.NoError(t, err)
		}
		require.Equal(t, c.asked, asked)
	}
}

// One hiccup of what hands out credentials is not the end of the night; a refusal is
// not asked for again.
func TestAWSHiccup(t *testing.T) {
	for _, c := range []struct {
		err   error
		again bool
	}{{refusal(503, "", ""), true}, {refusal(403, "AccessDenied", ""), false}} {
		s := &signer{sign: v4.NewSigner(), now: time.Now, credentials: aws.NewCredentialsCache(source{
			"web identity",
			func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, c.err },
		})}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://es:9200/a", nil)
		require.NoError(t, err)
		_, err = s.RoundTrip(r)
		require.EqualError(t, err, "no AWS credentials found: web identity: "+c.err.Error())
		write := call{op: "delete index a", write: true}
		err = (&Client{o: Options{URLs: []string{"http://es"}}}).transportError(t.Context(), write, 0, err)
		require.ErrorIs(t, err, cluster.ErrUnauthorized)
		require.Contains(t, cluster.Hint(err), "aws_key")
		require.Equal(t, c.again, again(write, err), "nothing was sent, so that a write may be repeated, too")
	}
}

// A profile that cannot be used is no reason to wait for the cluster.
func TestAWSUnusable(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AK")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SECRET_KEY", "")
	_, err := New(Options{URLs: []string{"http://es:9200"}, AWS: &AWS{Region: "eu-west-1"}})
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.EqualError(t, err, "connect: no AWS credentials found: aws_access_key_id and aws_secret_access_key must be "+
		"set together, but the environment has only one of them")
	require.Contains(t, cluster.Hint(err), "aws_key")
}
