package es

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/esnap/esnap/internal/bounded"
)

// The chain of Amazon's SDK would find more (sso, assumed roles, processes), but it adds
// the clients of five services to the binary. This is the part that machines and pods use.

// finder searches for credentials in the same places as Amazon's own tools.
type finder struct {
	env    func(string) string
	region string
	client *http.Client
}

func newFinder(region string) finder {
	return finder{env: os.Getenv, region: region, client: &http.Client{
		Timeout: 10 * time.Second,
		// The requests contain secrets: they are sent to one address only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// find chooses the source of the credentials, in the order of Amazon's own tools. It does
// not send a request yet. An error means that what is set can never be used.
func (f finder) find() (aws.CredentialsProvider, error) {
	fromEnv, err := pair("the environment", cmp.Or(f.env("AWS_ACCESS_KEY_ID"), f.env("AWS_ACCESS_KEY")),
		cmp.Or(f.env("AWS_SECRET_ACCESS_KEY"), f.env("AWS_SECRET_KEY")), f.env("AWS_SESSION_TOKEN"))
	if fromEnv != nil || err != nil {
		return fromEnv, err
	}
	if file := f.env("AWS_WEB_IDENTITY_TOKEN_FILE"); file != "" {
		role := f.env("AWS_ROLE_ARN")
		if role == "" {
			return nil, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not")
		}
		return source{
			"the web identity of AWS_WEB_IDENTITY_TOKEN_FILE",
			func(ctx context.Context) (aws.Credentials, error) { return f.webIdentity(ctx, file, role) },
		}, nil
	}
	if fromProfile, err := f.profile(); fromProfile != nil || err != nil {
		return fromProfile, err
	}
	for _, v := range []struct{ name, base string }{
		{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://169.254.170.2"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", ""},
	} {
		if uri := f.env(v.name); uri != "" {
			return source{
				"the container's role of " + v.name,
				func(ctx context.Context) (aws.Credentials, error) { return f.container(ctx, v.base+uri) },
			}, nil
		}
	}
	if strings.EqualFold(f.env("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, errors.New("none are set in the environment or in a profile, and AWS_EC2_METADATA_DISABLED forbids the machine's role")
	}
	return source{"none are set in the environment or in a profile; the machine's role", f.instance}, nil
}

// pair is a key that is set directly; nil if none is.
func pair(where, key, secret, token string) (aws.CredentialsProvider, error) {
	switch {
	case key == "" && secret == "":
		return nil, nil
	case key == "" || secret == "":
		return nil, fmt.Errorf("aws_access_key_id and aws_secret_access_key must be set together, but %s has only one of them", where)
	}
	return credentials.NewStaticCredentialsProvider(key, secret, token), nil
}

// source asks a service for credentials.
type source struct {
	name string
	ask  func(context.Context) (aws.Credentials, error)
}

// Retrieve implements aws.CredentialsProvider.
func (s source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.ask(ctx)
	if err == nil && !c.HasKeys() {
		err = errors.New("the reply does not contain a key")
	}
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("%s: %w", s.name, err)
	}
	c.CanExpire = !c.Expires.IsZero()
	return c, nil
}

// passing marks an error that may be temporary.
type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// maxCredentials bounds a reply; Amazon's replies have about 2 kB.
const maxCredentials = 1 << 16

// send returns the status and the body of a reply. Errors show nothing of the
// request: its address, header and body may be secrets.
func (f finder) send(r *http.Request) (status int, body []byte, err error) {
	resp, err := f.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, nil, passing{err}
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxCredentials))
	if err != nil {
		return 0, nil, passing{err}
	}
	return resp.StatusCode, body, nil
}

// refusal is the error for a status other than success.
func refusal(status int, code, message string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "HTTP %d", status)
	for _, part := range []string{code, message} {
		if part != "" {
			fmt.Fprintf(&text, ": %.300s", part)
		}
	}
	err := errors.New(text.String())
	if status >= 500 || status == http.StatusTooManyRequests ||
		slices.Contains([]string{"Throttling", "ThrottlingException", "IDPCommunicationError", "InvalidIdentityToken"}, code) {
		return passing{err} // Amazon accepts a new identity only after some time
	}
	return err
}

// webIdentity exchanges the token of a Kubernetes service account, or of another provider
// of identities, for a role's credentials. The token's file is read each time, because the
// kubelet replaces it.
func (f finder) webIdentity(ctx context.Context, file, role string) (aws.Credentials, error) {
	token, err := bounded.ReadSecret(file)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("cannot read the file with the token: %w", err)
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role},
		"RoleSessionName": {cmp.Or(f.env("AWS_ROLE_SESSION_NAME"), "esnap")}, "WebIdentityToken": {strings.TrimSpace(string(token))},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.sts(), strings.NewReader(form.Encode()))
	if err != nil {
		return aws.Credentials{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	status, body, err := f.send(r)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	reply := elements(body)
	if status != http.StatusOK {
		message := strings.ReplaceAll(reply["Message"], form.Get("WebIdentityToken"), "…")
		return aws.Credentials{}, fmt.Errorf("%s did not return credentials for %s: %w", r.URL.Host, role,
			refusal(status, reply["Code"], message))
	}
	c := aws.Credentials{AccessKeyID: reply["AccessKeyId"], SecretAccessKey: reply["SecretAccessKey"], SessionToken: reply["SessionToken"]}
	if c.Expires, err = time.Parse(time.RFC3339, reply["Expiration"]); err != nil {
		return aws.Credentials{}, errors.New("the reply does not contain the expiry time of the credentials")
	}
	return c, nil
}

// sts is the address of Amazon's Security Token Service.
func (f finder) sts() string {
	domain := "amazonaws.com"
	for _, p := range [][2]string{
		{"cn-", "amazonaws.com.cn"},
		{"eusc-", "amazonaws.eu"},
		{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
	} {
		if strings.HasPrefix(f.region, p[0]) {
			domain = p[1]
		}
	}
	return cmp.Or(f.env("AWS_ENDPOINT_URL_STS"), f.env("AWS_ENDPOINT_URL"), "https://sts."+f.region+"."+domain)
}

// elements are the texts of an XML document by the name of their element.
func elements(document []byte) map[string]string {
	texts := map[string]string{}
	name := ""
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if err != nil {
			return texts
		}
		switch t := token.(type) {
		case xml.StartElement:
			name = t.Name.Local
		case xml.EndElement:
			name = ""
		case xml.CharData:
			texts[name] += string(t)
		}
	}
}

// container asks the service that provides the role of a task on ECS or of a pod on EKS.
func (f finder) container(ctx context.Context, uri string) (aws.Credentials, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil || r.URL.Host == "" {
		return aws.Credentials{}, errors.New("the variable is not a valid URL")
	}
	if r.URL.Scheme != "https" && !nearby(r.URL.Hostname()) {
		return aws.Credentials{}, fmt.Errorf("http is allowed to this machine and to the addresses of ECS and EKS only, not to %s",
			r.URL.Hostname())
	}
	token := f.env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if file := f.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
		data, err := bounded.ReadSecret(file)
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("cannot read the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names: %w", err)
		}
		token = strings.TrimSpace(string(data))
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	return f.role(r)
}

// nearby reports whether a host may be asked without TLS.
func nearby(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip.IsLoopback() || slices.ContainsFunc([]string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"},
		func(a string) bool { return ip.Equal(net.ParseIP(a)) })
}

// role reads a role's credentials in the form for containers and machines.
func (f finder) role(r *http.Request) (aws.Credentials, error) {
	status, body, err := f.send(r)
	if err != nil {
		return aws.Credentials{}, err
	}
	var reply struct {
		AccessKeyID, SecretAccessKey, Token string
		Expiration                          time.Time
		Code, Message                       string
	}
	err = json.Unmarshal(body, &reply)
	switch {
	case status != http.StatusOK:
		return aws.Credentials{}, refusal(status, reply.Code, reply.Message)
	case err != nil:
		return aws.Credentials{}, errors.New("the reply is not the expected JSON")
	case reply.AccessKeyID == "" && reply.Code != "":
		return aws.Credentials{}, refusal(status, reply.Code, reply.Message)
	}
	return aws.Credentials{
		AccessKeyID:     reply.AccessKeyID,
		SecretAccessKey: reply.SecretAccessKey,
		SessionToken:    reply.Token,
		Expires:         reply.Expiration,
	}, nil
}

// instance asks the metadata service of an EC2 machine, in its second version.
func (f finder) instance(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // on other machines nobody should wait
	defer cancel()
	base := cmp.Or(f.env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), "http://169.254.169.254")
	if base == "http://169.254.169.254" && strings.EqualFold(f.env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6") {
		base = "http://[fd00:ec2::254]"
	}
	request := func(method, path string) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(base, "/")+"/latest/"+path, nil)
		if err != nil {
			return nil, errors.New("AWS_EC2_METADATA_SERVICE_ENDPOINT is not a valid URL")
		}
		return r, nil
	}
	r, err := request(http.MethodPut, "api/token")
	if err != nil {
		return aws.Credentials{}, err
	}
	r.Header.Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	status, token, err := f.send(r)
	if err != nil { // this is not such a machine: not temporary
		return aws.Credentials{}, fmt.Errorf("there is no metadata service of EC2: %w", errors.Unwrap(err))
	}
	if status != http.StatusOK {
		return aws.Credentials{}, fmt.Errorf("the metadata service did not return a token: %w", refusal(status, "", ""))
	}
	const roles = "meta-data/iam/security-credentials/"
	if r, err = request(http.MethodGet, roles); err != nil {
		return aws.Credentials{}, err
	}
	r.Header.Set("X-Aws-Ec2-Metadata-Token", string(token))
	status, names, err := f.send(r)
	name, _, _ := strings.Cut(strings.TrimSpace(string(names)), "\n")
	switch {
	case err != nil:
		return aws.Credentials{}, err
	case status == http.StatusNotFound, status == http.StatusOK && name == "":
		return aws.Credentials{}, errors.New("this machine does not have a role")
	case status != http.StatusOK:
		return aws.Credentials{}, refusal(status, "", "")
	}
	of, err := request(http.MethodGet, roles+url.PathEscape(strings.TrimSpace(name)))
	if err != nil {
		return aws.Credentials{}, err
	}
	of.Header = r.Header
	return f.role(of)
}

// foreign are the keys of a profile that use something other than its own key.
var foreign = []string{
	"role_arn", "source_profile", "credential_source", "web_identity_token_file", "sso_session", "sso_start_url",
	"sso_account_id", "credential_process", "login_session",
}

// profile reads the key of a profile; nil if there is none.
func (f finder) profile() (aws.CredentialsProvider, error) {
	home := ""
	if h := cmp.Or(f.env("HOME"), f.env("USERPROFILE")); h != "" {
		home = filepath.Join(h, ".aws")
	}
	file := func(variable, name string) string {
		if v := f.env(variable); v != "" || home == "" {
			return v
		}
		return filepath.Join(home, name)
	}
	name := cmp.Or(f.env("AWS_PROFILE"), f.env("AWS_DEFAULT_PROFILE"))
	section := cmp.Or(name, "default")
	p := map[string]string{}
	config, err := readProfile(p, file("AWS_CONFIG_FILE", "config"), "profile "+section, section == "default")
	if err != nil {
		return nil, err
	}
	shared, err := readProfile(p, file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), section, false) // wins, key by key
	if err != nil {
		return nil, err
	}
	where := fmt.Sprintf("the profile %q", section)
	if name != "" && !config && !shared {
		return nil, fmt.Errorf("AWS_PROFILE or AWS_DEFAULT_PROFILE names %s, "+
			"which is neither in Amazon's credentials file nor in its configuration file", where)
	}
	key, secret := p["aws_access_key_id"], p["aws_secret_access_key"]
	for _, k := range foreign {
		if p[k] != "" && (p["role_arn"] != "" || key+secret == "") {
			return nil, fmt.Errorf("%s has %s, which esnap does not support: from a profile it reads only aws_access_key_id, "+
				"aws_secret_access_key and aws_session_token", where, k)
		}
	}
	return pair(where, key, secret, p["aws_session_token"])
}

// readProfile adds the keys of a section of a file; a file that does not exist has none.
// In the configuration file the section default may be without its prefix.
func readProfile(into map[string]string, file, section string, plainDefault bool) (found bool, err error) {
	if file == "" {
		return false, nil
	}
	data, err := bounded.ReadFile(file, bounded.Secret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cannot read Amazon's profiles: %w", err)
	}
	in := false
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		if strings.TrimSpace(line) == "" || strings.ContainsAny(line[:1], "#; \t") {
			continue // indented: below another key
		}
		if name, is := strings.CutPrefix(line, "["); is {
			name, _, _ = strings.Cut(name, "]")
			name = strings.Join(strings.Fields(name), " ")
			in = name == section || plainDefault && name == "default"
			found = found || in
			continue
		}
		if key, value, is := strings.Cut(line, "="); is && in {
			for _, comment := range []string{" #", " ;", "\t#", "\t;"} {
				value, _, _ = strings.Cut(value, comment)
			}
			into[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return found, nil
}
