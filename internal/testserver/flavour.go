package testserver

import "strings"

// Flavour names one supported server, product and version together.
type Flavour string

// The servers that esnap is tested on.
const (
	ES670   Flavour = "es670"
	ES6823  Flavour = "es6823"
	ES6823X Flavour = "es6823x" // 6.8.23 with x-pack: index lifecycles and security
	ES71728 Flavour = "es71728"
	ES8197  Flavour = "es8197"
	ES920   Flavour = "es920"
	OS1320  Flavour = "os1320"
	OS2110  Flavour = "os2110"
	OS330   Flavour = "os330"
)

// Flavours is the test matrix, in its order. ES6823X is not in it: it is ES6823 with more modules.
var Flavours = []Flavour{ES670, ES6823, ES71728, ES8197, ES920, OS1320, OS2110, OS330}

// distribution is the source of a flavour and what it needs to run.
//
// The Maven coordinates with "integ-test-zip" are trimmed distributions: the transport module, and for
// Elasticsearch x-pack-core and x-pack-security. They have no reindex, no painless, no ILM and no plugins, and
// Elasticsearch 8 and 9 answer GET / with 405, because the module that serves it is left out.
type distribution struct {
	title    string
	artifact string // group:artifact:version:packaging
	image    string // Docker image without its tag, which is the version

	javaMin, javaMax int  // major versions of the JDK it runs on; javaMax 0 is no limit
	ownJVMOptions    bool // the shipped jvm.options name flags that no supported JDK knows
	security         bool // the local distribution has x-pack security: users and TLS
}

var distributions = map[Flavour]distribution{
	ES670: {
		title:    "Elasticsearch OSS 6.7.0",
		artifact: "org.elasticsearch.distribution.zip:elasticsearch-oss:6.7.0:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch-oss",
		javaMin:  17, javaMax: 17, ownJVMOptions: true,
	},
	ES6823: {
		title:    "Elasticsearch OSS 6.8.23",
		artifact: "org.elasticsearch.distribution.zip:elasticsearch-oss:6.8.23:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch-oss",
		javaMin:  17, javaMax: 17, ownJVMOptions: true,
	},
	ES6823X: {
		title:    "Elasticsearch 6.8.23",
		artifact: "org.elasticsearch.distribution.zip:elasticsearch:6.8.23:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch",
		javaMin:  17, javaMax: 17, ownJVMOptions: true, security: true,
	},
	ES71728: {
		title:    "Elasticsearch 7.17.28",
		artifact: "org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.17.28:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch",
		javaMin:  17, javaMax: 17, security: true,
	},
	ES8197: {
		title:    "Elasticsearch 8.19.7",
		artifact: "org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.7:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch",
		javaMin:  17, javaMax: 17, security: true,
	},
	ES920: {
		title:    "Elasticsearch 9.2.0",
		artifact: "org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.2.0:zip",
		image:    "docker.elastic.co/elasticsearch/elasticsearch",
		javaMin:  21, security: true,
	},
	OS1320: {
		title:    "OpenSearch 1.3.20",
		artifact: "org.opensearch.distribution.integ-test-zip:opensearch:1.3.20:zip",
		image:    "opensearchproject/opensearch",
		javaMin:  17, javaMax: 17,
	},
	OS2110: {
		title:    "OpenSearch 2.11.0",
		artifact: "org.opensearch.distribution.integ-test-zip:opensearch:2.11.0:zip",
		image:    "opensearchproject/opensearch",
		javaMin:  17, javaMax: 17,
	},
	OS330: {
		title:    "OpenSearch 3.3.0",
		artifact: "org.opensearch.distribution.integ-test-zip:opensearch:3.3.0:zip",
		image:    "opensearchproject/opensearch",
		javaMin:  21,
	},
}

// Title returns the name a person would use, such as "Elasticsearch OSS 6.7.0", or "" for an unknown flavour.
func (f Flavour) Title() string { return distributions[f].title }

// Version returns the server's version, such as "6.7.0", or "" for an unknown flavour.
func (f Flavour) Version() string {
	if parts := strings.Split(distributions[f].artifact, ":"); len(parts) == 4 {
		return parts[2]
	}
	return ""
}

// OpenSearch tells whether the server is OpenSearch rather than Elasticsearch.
func (f Flavour) OpenSearch() bool { return f.product() == "opensearch" }

// Security tells whether Options.Security and Options.TLS work with the local provider.
func (f Flavour) Security() bool { return distributions[f].security }

// product returns the word that names the server's program and its settings file.
func (f Flavour) product() string {
	if strings.HasPrefix(distributions[f].title, "OpenSearch") {
		return "opensearch"
	}
	return "elasticsearch"
}

// major returns the first number of the version as text.
func (f Flavour) major() string {
	major, _, _ := strings.Cut(f.Version(), ".")
	return major
}

// image returns the official Docker image of the flavour with its tag.
func (f Flavour) image() string { return distributions[f].image + ":" + f.Version() }
