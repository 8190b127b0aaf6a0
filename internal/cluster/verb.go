package cluster

// Verb is what is done to an item, in both forms that people read.
type Verb struct{ do, did string }

// NewVerb pairs the infinitive of a verb with its past: "delete", "deleted". An action
// with a verb of its own makes it beside its code.
func NewVerb(do, did string) Verb {
	if do == "" || did == "" {
		panic("cluster: a verb needs both its forms: " + do + ", " + did)
	}
	return Verb{do, did}
}

// String is the infinitive.
func (v Verb) String() string { return v.do }

// Past is what was done.
func (v Verb) Past() string { return v.did }

// The verbs of requests.
var (
	VerbRegister       = NewVerb("register", "registered")
	VerbVerify         = NewVerb("verify", "verified")
	VerbUnregister     = NewVerb("unregister", "unregistered")
	VerbCreate         = NewVerb("create", "created")
	VerbDelete         = NewVerb("delete", "deleted")
	VerbRestore        = NewVerb("restore", "restored")
	VerbMount          = NewVerb("mount", "mounted")
	VerbUpdate         = NewVerb("update", "updated")
	VerbChange         = NewVerb("change", "changed")
	VerbChangeSettings = NewVerb("change settings of", "changed settings of")
	VerbChangeAliases  = NewVerb("change aliases of", "changed aliases of")
	VerbOpen           = NewVerb("open", "opened")
	VerbClose          = NewVerb("close", "closed")
	VerbFlush          = NewVerb("flush", "flushed")
	VerbFreeze         = NewVerb("freeze", "frozen")
	VerbUnfreeze       = NewVerb("unfreeze", "unfrozen")
	VerbForcemerge     = NewVerb("forcemerge", "merged")
	VerbRollOver       = NewVerb("roll over", "rolled over")
	VerbShrink         = NewVerb("shrink", "shrunk")
	VerbReindex        = NewVerb("reindex", "reindexed")
)
