// Renders every NAME.tmpl of a directory, with the keys of NAME.json, as confd would: Go's own
// text/template with functions that do what confd's documentation says. For each it prints a line
// of JSON: name, output, error. tests/it/templates.rs compares them with what confd_haproxy makes.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// KVPair is a key and its value.
type KVPair struct{ Key, Value string }

type store map[string]string

type result struct {
	Name   string `json:"name"`
	Output string `json:"output"`
	Error  string `json:"error"`
}

func main() {
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.tmpl"))
	if err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".tmpl")
		output, err := render(file, strings.TrimSuffix(file, ".tmpl")+".json")
		line := result{Name: name, Output: output}
		if err != nil {
			line.Error = err.Error()
		}
		if err := out.Encode(line); err != nil {
			panic(err)
		}
	}
}

func render(file, keys string) (string, error) {
	data, err := os.ReadFile(keys)
	if err != nil {
		return "", err
	}
	pairs := store{}
	if err := json.Unmarshal(data, &pairs); err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	parsed, err := template.New(filepath.Base(file)).Funcs(functions(pairs)).Parse(string(text))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, nil)
	return out.String(), err
}

func functions(s store) template.FuncMap {
	return template.FuncMap{
		"exists": func(key string) bool { _, found := s[key]; return found },
		"get":    s.get,
		"gets":   s.gets,
		"getv":   s.getv,
		"getvs":  s.getvs,
		"ls":     s.ls,
		"lsdir":  s.lsdir,

		"base": path.Base, "dir": path.Dir, "split": strings.Split, "join": strings.Join,
		"toUpper": strings.ToUpper, "toLower": strings.ToLower, "contains": strings.Contains,
		"replace": strings.Replace, "trimSuffix": strings.TrimSuffix,
		"parseBool": strconv.ParseBool, "atoi": strconv.Atoi, "datetime": time.Now,

		"json": func(text string) (object map[string]interface{}, err error) {
			err = json.Unmarshal([]byte(text), &object)
			return object, err
		},
		"jsonArray": func(text string) (array []interface{}, err error) {
			err = json.Unmarshal([]byte(text), &array)
			return array, err
		},
		"map":    makeMap,
		"getenv": getenv,
		"fileExists": func(name string) bool {
			_, err := os.Stat(name)
			return !os.IsNotExist(err)
		},
		"base64Encode": func(text string) string {
			return base64.StdEncoding.EncodeToString([]byte(text))
		},
		"base64Decode": func(text string) (string, error) {
			bytes, err := base64.StdEncoding.DecodeString(text)
			return string(bytes), err
		},
		"lookupIP":   func(name string) []string { return lookup(name, "") },
		"lookupIPV4": func(name string) []string { return lookup(name, ".") },
		"lookupIPV6": func(name string) []string { return lookup(name, ":") },

		"reverse": reverse,
		"sortByLength": func(texts []string) []string {
			sort.SliceStable(texts, func(i, j int) bool { return len(texts[i]) < len(texts[j]) })
			return texts
		},
		"sortKVByLength": func(pairs []KVPair) []KVPair {
			sort.SliceStable(pairs, func(i, j int) bool {
				return len(pairs[i].Key) < len(pairs[j].Key)
			})
			return pairs
		},

		"add": func(a, b int) int { return a + b },
		"sub": func(a, b int) int { return a - b },
		"mul": func(a, b int) int { return a * b },
		"div": func(a, b int) int { return a / b },
		"mod": func(a, b int) int { return a % b },
		"seq": func(first, last int) (numbers []int) {
			for i := first; i <= last; i++ {
				numbers = append(numbers, i)
			}
			return numbers
		},
	}
}

func (s store) get(key string) (KVPair, error) {
	value, found := s[key]
	if !found {
		return KVPair{}, fmt.Errorf("key does not exist: %s", key)
	}
	return KVPair{key, value}, nil
}

func (s store) getv(key string, otherwise ...string) (string, error) {
	pair, err := s.get(key)
	if err != nil && len(otherwise) > 0 {
		return otherwise[0], nil
	}
	return pair.Value, err
}

func (s store) gets(pattern string) ([]KVPair, error) {
	pairs := []KVPair{}
	for key, value := range s {
		matched, err := path.Match(pattern, key)
		if err != nil {
			return nil, err
		}
		if matched {
			pairs = append(pairs, KVPair{key, value})
		}
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Key < pairs[j].Key })
	return pairs, nil
}

func (s store) getvs(pattern string) ([]string, error) {
	pairs, err := s.gets(pattern)
	values := []string{}
	for _, pair := range pairs {
		values = append(values, pair.Value)
	}
	sort.Strings(values)
	return values, err
}

// What is directly below where; a key that is where itself counts by its own name.
func (s store) ls(where string) []string {
	names := map[string]bool{}
	for key := range s {
		if key == where {
			names[path.Base(key)] = true
		} else if below(path.Dir(key), where) {
			rest := strings.TrimPrefix(strings.TrimPrefix(key, where), "/")
			names[strings.SplitN(rest, "/", 2)[0]] = true
		}
	}
	return sorted(names)
}

func (s store) lsdir(where string) []string {
	names := map[string]bool{}
	for key := range s {
		dir := terms(path.Dir(key))
		depth := len(terms(where))
		if strings.HasPrefix(key, where) && below(path.Dir(key), where) && len(dir) > depth {
			names[dir[depth]] = true
		}
	}
	return sorted(names)
}

func terms(name string) []string { return strings.Split(path.Clean(name), "/") }

func below(dir, where string) bool {
	inner, outer := terms(dir), terms(where)
	if len(inner) < len(outer) {
		return false
	}
	for i := range outer {
		if inner[i] != outer[i] {
			return false
		}
	}
	return true
}

func sorted(names map[string]bool) []string {
	list := []string{}
	for name := range names {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

func makeMap(items ...interface{}) (map[string]interface{}, error) {
	made := map[string]interface{}{}
	for i := 0; i+1 < len(items); i += 2 {
		key, isText := items[i].(string)
		if !isText {
			return nil, errors.New("a key is not a string")
		}
		made[key] = items[i+1]
	}
	if len(items)%2 != 0 {
		return nil, errors.New("a key without a value")
	}
	return made, nil
}

func getenv(name string, otherwise ...string) string {
	value := os.Getenv(name)
	if value == "" && len(otherwise) > 0 {
		return otherwise[0]
	}
	return value
}

func lookup(name, mark string) (found []string) {
	ips, err := net.LookupIP(name)
	if err != nil {
		return nil
	}
	for _, ip := range ips {
		if strings.Contains(ip.String(), mark) {
			found = append(found, ip.String())
		}
	}
	sort.Strings(found)
	return found
}

func reverse(list interface{}) interface{} {
	switch list := list.(type) {
	case []string:
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	case []KVPair:
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	}
	return list
}
