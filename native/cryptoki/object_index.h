// Which data objects are on the token, and by which handle they are reached now.
#ifndef HSM_NATIVE_CRYPTOKI_OBJECT_INDEX_H_
#define HSM_NATIVE_CRYPTOKI_OBJECT_INDEX_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cryptoki/pkcs11.h"
#include "sha256/sha256.h"

namespace hsm {

// Names an object for as long as it exists, however often its handle changes; never used again.
using ObjectId = std::uint64_t;

// A data object as a scan sees it.
struct ScannedObject {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  std::string label;        // CKA_LABEL, as it is
  std::string application;  // CKA_APPLICATION without trailing NULs
  bool isPrivate = false;
  // SHA-256 of the value; only where label and application do not tell objects apart.
  std::optional<Digest> fingerprint;
};

struct IndexedObject : ScannedObject {
  ObjectId id = 0;
};

struct Listing {
  std::vector<IndexedObject> objects;  // by id
  std::uint64_t otherObjects = 0;      // keys, certificates and the like
  std::uint64_t version = 0;
};

class ObjectIndex {
 public:
  // Takes what a scan found in place of what was known. Objects keep their ids: by handle where handles outlive
  // the scan (`handlesStable`), else by label and application, and among equal ones by fingerprint. Where that
  // does not tell them apart for certain they get new ids: an id never moves to another object.
  void replace(std::vector<ScannedObject> found, std::uint64_t otherObjects, bool handlesStable);

  ObjectId add(ScannedObject object);
  void remove(ObjectId id);
  // To be called once after a batch of add and remove.
  void bumpVersion() { ++version_; }

  const IndexedObject* find(ObjectId id) const;
  const std::map<ObjectId, IndexedObject>& objects() const { return objects_; }
  std::size_t size() const { return objects_.size(); }
  std::uint64_t otherObjects() const { return otherObjects_; }
  std::uint64_t version() const { return version_; }
  Listing listing() const;

 private:
  std::map<ObjectId, IndexedObject> objects_;
  std::uint64_t otherObjects_ = 0;
  std::uint64_t version_ = 0;
  ObjectId nextId_ = 1;
};

// Label, application and privacy as one key, to find objects that these do not tell apart.
std::string nameKey(const ScannedObject& object);

// True for well-formed UTF-8 (RFC 3629) without a NUL (when `allowNul` is false).
bool isText(const std::string& bytes, bool allowNul);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_OBJECT_INDEX_H_
