#include "cryptoki/object_index.h"

#include <utility>

namespace hsm {

std::string nameKey(const ScannedObject& object) {
  // The length stands first, so that no two pairs of label and application give the same key.
  std::string key = std::to_string(object.label.size());
  key += object.isPrivate ? 'p' : 'o';
  key += object.label;
  key += object.application;
  return key;
}

void ObjectIndex::replace(std::vector<ScannedObject> found, std::uint64_t otherObjects, bool handlesStable) {
  std::map<ObjectId, IndexedObject> previous = std::move(objects_);
  objects_.clear();
  std::vector<ObjectId> identity(found.size(), 0);

  if (handlesStable) {
    std::unordered_map<CK_OBJECT_HANDLE, ObjectId> byHandle;
    for (const auto& [id, object] : previous) byHandle.emplace(object.handle, id);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto known = byHandle.find(found[i].handle);
      if (known == byHandle.end()) continue;
      const IndexedObject& before = previous.at(known->second);
      if (before.label == found[i].label && before.application == found[i].application &&
          before.isPrivate == found[i].isPrivate) {
        identity[i] = known->second;
        found[i].fingerprint = before.fingerprint;
        byHandle.erase(known);
      }
    }
  } else {
    struct Group {
      std::vector<ObjectId> before;
      std::vector<std::size_t> now;
    };
    std::unordered_map<std::string, Group> groups;
    for (const auto& [id, object] : previous) groups[nameKey(object)].before.push_back(id);
    for (std::size_t i = 0; i < found.size(); ++i) groups[nameKey(found[i])].now.push_back(i);
    for (auto& [key, group] : groups) {
      if (group.before.size() == 1 && group.now.size() == 1) {
        identity[group.now[0]] = group.before[0];
        continue;
      }
      for (const std::size_t i : group.now) {
        for (ObjectId& candidate : group.before) {
          if (candidate == 0 || !found[i].fingerprint.has_value()) continue;
          if (previous.at(candidate).fingerprint == found[i].fingerprint) {
            identity[i] = candidate;
            candidate = 0;
            break;
          }
        }
      }
    }
  }

  bool changed = otherObjects != otherObjects_ || found.size() != previous.size();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (identity[i] == 0) {
      identity[i] = nextId_++;
      changed = true;
    }
    IndexedObject object{std::move(found[i]), identity[i]};
    objects_.emplace(object.id, std::move(object));
  }
  otherObjects_ = otherObjects;
  if (changed) ++version_;
}

ObjectId ObjectIndex::add(ScannedObject object) {
  const ObjectId id = nextId_++;
  objects_.emplace(id, IndexedObject{std::move(object), id});
  return id;
}

void ObjectIndex::remove(ObjectId id) { objects_.erase(id); }

const IndexedObject* ObjectIndex::find(ObjectId id) const {
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : &found->second;
}

Listing ObjectIndex::listing() const {
  Listing listing;
  listing.objects.reserve(objects_.size());
  for (const auto& [id, object] : objects_) listing.objects.push_back(object);
  listing.otherObjects = otherObjects_;
  listing.version = version_;
  return listing;
}

bool isText(const std::string& bytes, bool allowNul) {
  const auto at = [&bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i) { return i < bytes.size() && (at(i) & 0xC0) == 0x80; };
  std::size_t i = 0;
  while (i < bytes.size()) {
    const unsigned char lead = at(i);
    if (lead < 0x80) {
      if (lead == 0 && !allowNul) return false;
      i += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF && continues(i + 1)) {
      i += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF && continues(i + 1) && continues(i + 2)) {
      const unsigned char second = at(i + 1);
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return false;
      i += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && continues(i + 1) && continues(i + 2) && continues(i + 3)) {
      const unsigned char second = at(i + 1);
      if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace hsm
