package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// deviceList is the query of the reads that are measured: a page of 50 devices, as a dashboard's first screen has it.
const deviceList = `query DeviceList {
  agents(first: 50) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes {
      id
      name
      serial
      version
      mdmType
      enrollStatus
      presence { state lastContact }
      fleet { id name }
      entity { name }
      owner { displayName }
      computer { model manufacturer }
    }
  }
}`

// page is a file with the gateway's answer to deviceList, for the others to answer the same.
func (b *bench) page(ctx context.Context) (string, error) {
	file := filepath.Join(b.folder, "page.json")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	f, err := b.startFleet(ctx, b.gateway, b.devices, 1)
	if err != nil {
		return "", err
	}
	defer f.stop()
	var data struct{ Agents json.RawMessage }
	if err := f.ask(ctx, f.viewers[0], deviceList, &data); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, fmt.Appendf(nil, `{"data":{"agents":%s}}`, data.Agents), 0o600)
}
