package check

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/drill"
)

// Attestation is a signed record of a check. Each contains the hash of the one before.
type Attestation struct {
	Type         string                   `json:"type"`
	Number       int                      `json:"number"` // 1, 2, 3, …
	Previous     string                   `json:"previous_sha256,omitempty"`
	Created      time.Time                `json:"created"`
	Esnap        string                   `json:"esnap_version"`
	Cluster      AttestedCluster          `json:"cluster"`
	Repositories []AttestedRepository     `json:"repositories"`
	Level        Level                    `json:"status"`
	Findings     []Finding                `json:"findings"`
	Days         map[string][]AttestedDay `json:"days"` // by pattern
}

// AttestedCluster is the cluster that was asked.
type AttestedCluster struct {
	Name string `json:"name"`
	UUID string `json:"uuid"`
	Text string `json:"version"`
}

// AttestedRepository is a repository that was read.
type AttestedRepository struct {
	Name      string `json:"name"`
	UUID      string `json:"uuid,omitempty"`
	Type      string `json:"type"`
	Snapshots int    `json:"snapshots"`
}

// AttestedDay is a day, and what its state rests on.
type AttestedDay struct {
	Day
	Basis string `json:"basis"`      // listed: the cluster's listing says so; drill: the index was restored
	Date  string `json:"basis_date"` // when that was
}

const attestationType = "esnap attestation 1"

// envelope is an attestation in its file. The signature is of the document's compact JSON.
type envelope struct {
	Document  json.RawMessage `json:"document"`
	Signature string          `json:"signature"`
	Key       string          `json:"key_sha256"`
}

// Attest writes the report as a signed document to a file. A document that is in the file
// already is the one before, and is kept beside it. It returns the number and the hash. Of several
// checks at the same time one follows the other.
func Attest(r *Report, version, file string, key ed25519.PrivateKey) (number int, hash string, err error) {
	err = bounded.Locked(file, func() error {
		number, hash, err = attest(r, version, file, key)
		return err
	})
	return number, hash, err
}

func attest(r *Report, version, file string, key ed25519.PrivateKey) (number int, hash string, err error) {
	a := Attestation{
		Type: attestationType, Number: 1, Created: r.Now.UTC(), Esnap: version, Level: r.Level, Findings: r.Findings,
		Cluster: AttestedCluster{r.Server.Name, r.Server.UUID, r.Server.String()}, Days: map[string][]AttestedDay{},
	}
	for _, x := range r.Repositories {
		a.Repositories = append(a.Repositories, AttestedRepository{x.Name, x.UUID, x.Type, len(x.Snapshots)})
	}
	for _, c := range r.Calendars {
		for _, d := range c.Days {
			basis, date := "listed", r.Now
			if at := r.drilled(d); !at.IsZero() {
				basis, date = "drill", at
			}
			a.Days[c.Title()] = append(a.Days[c.Title()], AttestedDay{d, basis, date.UTC().Format(time.RFC3339)})
		}
	}
	public, _ := key.Public().(ed25519.PublicKey)
	switch before, hash, err := lastAttestation(file, public); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, "", fmt.Errorf("the attestation before, %s: %w; nothing was written: with another key begin another file", file, err)
	default:
		a.Number, a.Previous = before.Number+1, hash
		if err := keep(file, numbered(file, before.Number)); err != nil {
			return 0, "", err
		}
	}
	document, err := json.Marshal(a)
	if err != nil {
		return 0, "", err
	}
	data, err := json.MarshalIndent(envelope{document, base64.StdEncoding.EncodeToString(ed25519.Sign(key, document)), fingerprint(public)},
		"", " ")
	if err != nil {
		return 0, "", err
	}
	return a.Number, sum(document), bounded.Replace(file, append(data, '\n'), 0o644)
}

// Attested are the indices that a document says were seen: in the cluster, in a snapshot, or
// by a check before. A file that does not exist says nothing.
func Attested(file string) (map[string]bool, error) {
	seen := map[string]bool{}
	before, _, err := lastAttestation(file, nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the attestation before, %s: %w", file, err)
	}
	for _, days := range before.Days {
		for _, d := range days {
			if d.State != NoIndex {
				seen[d.Index] = true
			}
		}
	}
	return seen, nil
}

// drilled is when a copy of the day passed in a drill, if its snapshot is still there; zero: it
// did not.
func (r *Report) drilled(d Day) time.Time {
	if r.Drill == nil || d.Complete == 0 {
		return time.Time{}
	}
	for _, c := range r.Drill.Copies {
		at := c.At(r.Drill)
		if c.Index == d.Index && c.State == drill.Passed && strings.HasPrefix(d.Newest, c.Repository+"/") &&
			slices.ContainsFunc(r.Repositories, func(x Repository) bool {
				return x.Name == c.Repository && slices.ContainsFunc(x.Snapshots, func(s *cluster.Snapshot) bool {
					return s.Name == c.Snapshot && s.Holds(c.Index) && !s.StartedAfter(at)
				})
			}) {
			return at
		}
	}
	return time.Time{}
}

// keep copies an attestation beside the place where the next one will be. The original
// remains until then: if esnap is killed in between, the chain goes on.
func keep(file, copied string) error {
	data, err := bounded.ReadFile(file, bounded.Record)
	if err != nil {
		return err
	}
	switch there, err := bounded.ReadFile(copied, bounded.Record); {
	case err == nil && bytes.Equal(there, data): // by a run that was killed
		return nil
	case err == nil:
		return fmt.Errorf("%s is another attestation of that number", copied)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return bounded.Replace(copied, data, 0o644)
}

// numbered is the name under which an attestation is kept.
func numbered(file string, number int) string { return fmt.Sprintf("%s.%06d", file, number) }

func sum(data []byte) string { h := sha256.Sum256(data); return hex.EncodeToString(h[:]) }

func fingerprint(key ed25519.PublicKey) string { return sum(key) }

// lastAttestation reads the newest document of a chain; fs.ErrNotExist: there is no chain. If only
// older ones are there, a new chain would begin beside them, and verify never.
func lastAttestation(file string, key ed25519.PublicKey) (a Attestation, hash string, err error) {
	a, hash, err = readAttestation(file, key)
	if kept := keptBeside(file); errors.Is(err, fs.ErrNotExist) && len(kept) > 0 {
		return a, "", fmt.Errorf("does not exist, but older ones are there, the last is %s: bring it back, or begin another file",
			kept[len(kept)-1])
	}
	return a, hash, err
}

// readAttestation reads a document; with a key, its signature is verified.
func readAttestation(file string, key ed25519.PublicKey) (a Attestation, hash string, err error) {
	data, err := bounded.ReadFile(file, bounded.Record)
	if err != nil {
		return a, "", err
	}
	var e envelope
	var written, document bytes.Buffer
	if err := cmp.Or(json.Unmarshal(data, &e), json.Compact(&written, data), json.Compact(&document, e.Document)); err != nil {
		return a, "", fmt.Errorf("is not an attestation: %w", err)
	}
	// Other programs read another document where a key stands twice, or in other letters.
	if again, err := json.Marshal(envelope{document.Bytes(), e.Signature, e.Key}); err != nil || !bytes.Equal(again, written.Bytes()) {
		return a, "", errors.New("is not as esnap wrote it: the document was changed")
	}
	if key != nil {
		signature, err := base64.StdEncoding.DecodeString(e.Signature)
		if err != nil || !ed25519.Verify(key, document.Bytes(), signature) {
			if e.Key != fingerprint(key) {
				return a, "", fmt.Errorf("was signed with another key, %.16s", e.Key)
			}
			return a, "", errors.New("the signature does not match: the document was changed")
		}
	}
	if err := json.Unmarshal(e.Document, &a); err != nil || a.Type != attestationType {
		return a, "", errors.New("is not an attestation of a version that this program knows")
	}
	return a, sum(document.Bytes()), nil
}

// VerifyAttestations verifies documents, and those kept beside them: each signature, and
// that each follows the one before. It returns what it verified, in order, and all errors.
func VerifyAttestations(files []string, key ed25519.PublicKey) (verified []string, problems []error) {
	var all []string
	for _, f := range files {
		all = append(append(all, keptBeside(f)...), f)
	}
	slices.Sort(all)
	type document struct {
		Attestation
		file, hash string
	}
	var list []document
	for _, f := range slices.Compact(all) {
		a, hash, err := readAttestation(f, key)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f, err))
			continue
		}
		list = append(list, document{a, f, hash})
	}
	cluster.Sort(list, func(a, b document) int { return a.Number - b.Number })
	// A run that was killed leaves a copy of the last one.
	list = slices.CompactFunc(list, func(a, b document) bool { return a.Number == b.Number && a.hash == b.hash })
	for n, d := range list {
		verified = append(verified, fmt.Sprintf("%s: number %d of %s, %s, sha256 %s", d.file, d.Number,
			d.Created.Format(time.RFC3339), d.Level, d.hash))
		switch {
		case n == 0 && d.Number == 1 && d.Previous == "":
		case n == 0:
			problems = append(problems, fmt.Errorf("%s: number %d, but the documents before it are not there", d.file, d.Number))
		case d.Number == list[n-1].Number:
			problems = append(problems, fmt.Errorf("%s and %s both have number %d: the chain has a fork", list[n-1].file, d.file, d.Number))
		case d.Number > list[n-1].Number+1:
			problems = append(problems, fmt.Errorf("%s: number %d follows number %d: documents are missing", d.file, d.Number, list[n-1].Number))
		case d.Previous != list[n-1].hash:
			problems = append(problems, fmt.Errorf("%s: it does not follow %s: the hash of the document before differs", d.file, list[n-1].file))
		}
	}
	return verified, problems
}

// keptBeside are the documents before a file. A name is no pattern.
func keptBeside(file string) (kept []string) {
	entries, _ := os.ReadDir(filepath.Dir(file))
	for _, e := range entries {
		number, is := strings.CutPrefix(e.Name(), filepath.Base(file)+".")
		if is && len(number) == 6 && strings.Trim(number, "0123456789") == "" {
			kept = append(kept, filepath.Join(filepath.Dir(file), e.Name()))
		}
	}
	return kept
}

// SigningKey reads an Ed25519 key in PKCS#8 (PEM) from a file that nobody else can read.
func SigningKey(file string) (ed25519.PrivateKey, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the signing key %s can be read by others (mode %04o); chmod 600 changes that", file, st.Mode().Perm())
	}
	block, err := readPEM(file)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key in PKCS#8; openssl genpkey -algorithm ed25519 makes one", file)
	}
	return key, nil
}

// PublicKey reads an Ed25519 public key (PEM) from a file.
func PublicKey(file string) (ed25519.PublicKey, error) {
	block, err := readPEM(file)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(block)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 public key; openssl pkey -in KEY -pubout writes one", file)
	}
	return key, nil
}

func readPEM(file string) ([]byte, error) {
	data, err := bounded.ReadFile(file, bounded.Record)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", file)
	}
	return block.Bytes, nil
}
