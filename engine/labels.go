package engine

import "github.com/docker/docker/api/types/filters"

// The labels on everything that we make at the engine. They are the database:
// what is not said here or by the engine itself is not known. Images carry
// some that their containers would inherit, so a container sets every one.
const (
	labelInstance = "io.dockwire.instance" // whose it is; on everything
	labelName     = "io.dockwire.name"     // the name its creator gave it
	labelKind     = "io.dockwire.kind"     // kindImage, kindContainer …

	labelURL    = "io.dockwire.url"    // the repository that an image was built from
	labelRef    = "io.dockwire.ref"    // the ref that was asked for
	labelCommit = "io.dockwire.commit" // the commit that this was
	labelBuild  = "io.dockwire.build"  // the build's id
	labelBuilt  = "io.dockwire.built"  // when it began, RFC 3339
	labelRecipe = "io.dockwire.recipe" // a digest of what the build was asked for; "" if it cannot be told when it would give the same again
	labelBases  = "io.dockwire.bases"  // the ids of the images that it was made from, by name, as JSON

	labelImage   = "io.dockwire.image"   // the image as create was given it
	labelDomain  = "io.dockwire.domain"  // the custom domain, if any
	labelPort    = "io.dockwire.port"    // the port that is served; 0 for none
	labelProfile = "io.dockwire.profile" // the profile of a container
	labelStart   = "io.dockwire.start"   // whether its create starts it: true or false
	labelOwner   = "io.dockwire.owner"   // who created it: the id of a token, as a rule
	labelNetwork = "io.dockwire.network" // the shared network of a container, if any
	labelCreate  = "io.dockwire.create"  // what its create was asked, as JSON, but for the values of its environment
	labelSibling = "io.dockwire.sibling" // whose sibling a container is, if it is one
	labelEdition = "io.dockwire.edition" // which create or update made a container: its siblings have the same

	labelReplicas = "io.dockwire.replicas" // of a service: how many it has when it is started
	labelStopped  = "io.dockwire.stopped"  // of a service: when it was stopped, RFC 3339; none while it is to run
	labelPrevious = "io.dockwire.previous" // of a service: what its last update replaced
	labelImageID  = "io.dockwire.image-id" // of a service: the image's at the engine that built it
)

const (
	kindImage     = "image"
	kindContainer = "container"
	kindNetwork   = "network"        // of one container
	kindShared    = "shared-network" // of those that asked for it
	kindBuild     = "build-network"  // of the steps of one build
	kindVolume    = "volume"
	kindReplica   = "replica"  // the container of a task of a service
	kindOverlay   = "overlay"  // the network of one service
	kindDomain    = "domain"   // of errors only
	kindPrevious  = "previous" // likewise: the container that an update replaced
)

// repository is where built images are tagged. No registry is called so, and no
// Dockerfile's FROM finds them by a short name, so that an image called alpine
// cannot shadow a base image.
const repository = "localhost/dockwire/"

// labels gives the labels that everything of ours carries.
func (e *Engine) labels(kind, name string) map[string]string {
	return map[string]string{labelInstance: e.cfg.Instance, labelKind: kind, labelName: name}
}

// owns says whether the labels are those of a thing of ours of this kind.
func (e *Engine) owns(labels map[string]string, kind string) bool {
	return labels[labelInstance] == e.cfg.Instance && labels[labelKind] == kind
}

// ours filters a list of the engine's for things of ours of this kind.
func (e *Engine) ours(kind string, more ...filters.KeyValuePair) filters.Args {
	return filters.NewArgs(append(more,
		filters.Arg("label", labelInstance+"="+e.cfg.Instance),
		filters.Arg("label", labelKind+"="+kind))...)
}

// engineName gives the engine's name for a network or volume of ours. Names
// have no dot, so two of them are never the same.
func (e *Engine) engineName(kind, name string) string {
	return "dockwire." + e.cfg.Instance + "." + kind + "." + name
}
