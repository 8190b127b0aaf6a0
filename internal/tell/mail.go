package tell

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/esnap/esnap/internal/notice"
)

// mail is a mail with the report, as text and as HTML. Each recipient is an outlet of its own:
// what keeps the mail from one keeps it not from the others, and is not forgotten.
type mail struct {
	c       notice.Mail
	read    secrets
	version string
}

// send sends a mail to some recipients, and says for each why it has none. They share one
// message, unless the server refuses one of them.
func (m *mail) send(ctx context.Context, s *Summary, c Change, to []string) []error {
	msg, err := m.message(s, c, to...)
	if err == nil {
		err = m.deliver(ctx, msg)
	}
	errs := slices.Repeat([]error{m.outcome(ctx, msg, err)}, len(to))
	var sent *gomail.SendError
	if errs[0] == nil || len(to) == 1 || !errors.As(err, &sent) || sent.Reason != gomail.ErrSMTPRcptTo {
		return errs
	}
	each := make([]*gomail.Msg, len(to))
	for i, one := range to {
		each[i], _ = m.message(s, c, one) // its address is valid: the server was asked
	}
	err = m.deliver(ctx, each...)
	for i, msg := range each {
		of := err
		if msg.HasSendError() { // those of the others may be of another kind
			of = msg.SendError()
		}
		errs[i] = m.outcome(ctx, msg, of)
	}
	return errs
}

// outcome is why a message was not delivered; nil: it was, and what comes after does not matter.
func (m *mail) outcome(ctx context.Context, msg *gomail.Msg, err error) error {
	if err == nil || msg.IsDelivered() {
		return nil
	}
	return m.explain(ctx, err)
}

// deliver sends messages over one connection.
func (m *mail) deliver(ctx context.Context, messages ...*gomail.Msg) error {
	password, err := m.password()
	if err != nil {
		return err
	}
	trust, err := trusted(m.c.CAFile)
	if err != nil {
		return err
	}
	trust.ServerName = m.c.Host
	policy := gomail.TLSMandatory
	switch m.c.TLS {
	case "tls": // dial has it already
		policy = gomail.TLSOpportunistic
	case "none":
		policy = gomail.NoTLS
	}
	options := []gomail.Option{
		gomail.WithPort(int(m.c.Port)), gomail.WithTLSConfig(trust), gomail.WithTLSPolicy(policy),
		// The library gives the context to the dialling only: the connection ends with it.
		gomail.WithDialContextFunc(func(dialling context.Context, network, address string) (net.Conn, error) {
			return m.dial(dialling, ctx, network, address, trust)
		}),
	}
	if m.c.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.c.Username),
			gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(m.c.Host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, messages...)
}

func (m *mail) password() (string, error) {
	if m.c.PasswordFile == "" {
		return "", nil
	}
	return m.read(m.c.PasswordFile)
}

// explain is an error with the place and without secrets.
func (m *mail) explain(ctx context.Context, err error) error {
	if errors.As(err, new(final)) {
		return err
	}
	password, _ := m.password()
	place := fmt.Sprintf("%s:%d", m.c.Host, m.c.Port)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", place, errTime)
	}
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &op) && op.Op == "dial" || errors.As(err, &certificate) {
		return fmt.Errorf("%s: %w", place, reason(err))
	}
	var reply *textproto.Error
	var sent *gomail.SendError
	refused := errors.As(err, &reply) && reply.Code >= 500 || errors.As(err, &sent) && sent.ErrorCode() >= 500
	text := err.Error() // with what the server says, which may repeat what it got
	if password != "" {
		for _, secret := range []string{
			password, base64.StdEncoding.EncodeToString([]byte(password)),
			base64.StdEncoding.EncodeToString([]byte("\x00" + m.c.Username + "\x00" + password)),
		} {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	err = fmt.Errorf("%s: %s", place, cut(text, 300))
	if refused { // a second attempt may lock the account
		return final{err}
	}
	return err
}

// maxSMTP is how much an SMTP server may say.
const maxSMTP = 1 << 20

// limited is a connection from which only so much is read.
type limited struct {
	net.Conn
	r io.Reader
}

func (b limited) Read(p []byte) (int, error) { return b.r.Read(p) }

func (m *mail) dial(dialling, all context.Context, network, address string, trust *tls.Config) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(dialling, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(all, func() { _ = raw.Close() })
	var conn net.Conn = limited{raw, io.LimitReader(raw, maxSMTP)}
	if m.c.TLS != "tls" {
		return conn, nil
	}
	secure := tls.Client(conn, trust)
	if err := secure.HandshakeContext(dialling); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return secure, nil
}

// message is the mail itself.
func (m *mail) message(s *Summary, c Change, to ...string) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(m.c.From); err != nil {
		return msg, finally("invalid address of the sender")
	}
	if err := msg.To(to...); err != nil {
		return msg, finally("invalid address of a recipient")
	}
	msg.Subject(oneLine(s.Title(c)))
	msg.SetDateWithValue(s.Began.Add(s.Duration))
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetUserAgent("esnap/" + m.version)
	if s.State == Error {
		msg.SetImportance(gomail.ImportanceHigh)
	}
	report := cut(s.Report, maxReport)
	msg.SetBodyString(gomail.TypeTextPlain, s.Text(c)+"\n\n"+report)
	msg.AddAlternativeString(gomail.TypeTextHTML, page(s, c, report))
	return msg, nil
}

// oneLine makes a header of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var stateColour = [...]string{"#2e7d32", "#b26a00", "#c62828"}

// page is the mail as HTML, without anything that is loaded from elsewhere.
func page(s *Summary, c Change, report string) string {
	var b bytes.Buffer
	title, rest, _ := strings.Cut(s.Text(c), "\n")
	fmt.Fprintf(&b, `<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="font-family:sans-serif">`+
		`<h3 style="color:%s">%s</h3>`, stateColour[s.State], html.EscapeString(title))
	for line := range strings.SplitSeq(rest, "\n") {
		fmt.Fprintf(&b, "<div>%s</div>", html.EscapeString(line))
	}
	fmt.Fprintf(&b, `<pre style="background:#f4f4f4;padding:8px">%s</pre></body></html>`, html.EscapeString(report))
	return b.String()
}
