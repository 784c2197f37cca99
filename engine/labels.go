package engine

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

	labelImage   = "io.dockwire.image"   // the image as create was given it
	labelDomain  = "io.dockwire.domain"  // the custom domain, if any
	labelPort    = "io.dockwire.port"    // the port that is served; 0 for none
	labelProfile = "io.dockwire.profile" // the profile of a container
	labelOwner   = "io.dockwire.owner"   // the id of the token that created it
)

const (
	kindImage     = "image"
	kindContainer = "container"
	kindNetwork   = "network"
	kindVolume    = "volume"
)

// repository is where built images are tagged. No registry is called so, and no
// Dockerfile's FROM finds them by a short name, so that an image called alpine
// cannot shadow a base image.
const repository = "localhost/dockwire/"
