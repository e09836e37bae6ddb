// index_words.cc: an index of words, for gperftools to profile: see README.md.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace words {

struct Posting {
    unsigned document;
    std::vector<unsigned> places;
};

class Index {
public:
    void Add(unsigned document, const std::string &text);
    size_t Find(const std::string &prefix) const;
    void Forget(unsigned document);

private:
    std::map<std::string, std::vector<std::unique_ptr<Posting>>> postings_;
};

void Index::Add(unsigned document, const std::string &text)
{
    unsigned place = 0;
    for (size_t start = 0; start < text.size(); place++) {
        size_t end = std::min(text.find(' ', start), text.size());
        auto &list = postings_[text.substr(start, end - start)];
        if (list.empty() || list.back()->document != document) {
            list.push_back(std::make_unique<Posting>());
            list.back()->document = document;
        }
        list.back()->places.push_back(place);
        start = end + 1;
    }
}

size_t Index::Find(const std::string &prefix) const
{
    size_t found = 0;
    for (auto at = postings_.lower_bound(prefix); at != postings_.end(); ++at) {
        if (at->first.compare(0, prefix.size(), prefix) != 0)
            break;
        std::vector<unsigned> places;
        for (const auto &posting : at->second)
            places.insert(places.end(), posting->places.begin(), posting->places.end());
        std::sort(places.begin(), places.end());
        found += std::unique(places.begin(), places.end()) - places.begin();
    }
    return found;
}

void Index::Forget(unsigned document)
{
    for (auto &entry : postings_) {
        auto &list = entry.second;
        auto is_of = [document](const auto &posting) { return posting->document == document; };
        list.erase(std::remove_if(list.begin(), list.end(), is_of), list.end());
    }
}

std::string MakeText(unsigned seed)
{
    std::string text;
    for (unsigned i = 0; i < 400; i++) {
        seed = seed * 1103515245 + 12345;
        char word[32];
        snprintf(word, sizeof(word), "%x%c ", seed >> 18, 'a' + seed % 13);
        text += word;
    }
    return text;
}

} // namespace words

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 100;
    words::Index index;
    size_t found = 0;
    for (unsigned i = 0; i < rounds; i++) {
        index.Add(i, words::MakeText(i));
        found += index.Find(std::to_string(i % 10));
        if (i % 7 == 0)
            index.Forget(i / 2);
    }
    printf("%zu\n", found);
    return 0;
}
