package main

import (
	"strconv"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) images() *cobra.Command {
	return &cobra.Command{
		Use:   "images",
		Short: "List the images that were built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			images, err := a.client.Images(cmd.Context())
			return answer(a, images, err, a.printImages)
		},
	}
}

func (a *app) printImages(images []api.Image) {
	t := a.table("NAME", "COMMIT", "ID", "SIZE", "CREATED", "CONTAINERS", "URL")
	var rows [][]cell
	for _, i := range images {
		rows = append(rows, plainCells([]string{i.Name, orDash(short(i.Commit)), short(i.ID), size(i.Size),
			age(i.Created), orDash(strings.Join(i.Containers, " ")), orDash(i.URL)}))
	}
	t.write(rows...)
}

func (a *app) removeImage() *cobra.Command {
	return &cobra.Command{
		Use:   "rmi NAME...",
		Short: "Remove images; NAME:COMMIT is one build of an image",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.each(cmd.Context(), names, func(name string) error {
				image, err := a.client.RemoveImage(cmd.Context(), name)
				return answer(a, image, err, func(i api.Image) { a.printf("%s\n", clean(i.Name)) })
			})
		},
	}
}

func (a *app) builds() *cobra.Command {
	return &cobra.Command{
		Use:   "builds",
		Short: "List the builds that run, that wait, and the last that ended",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			builds, err := a.client.Builds(cmd.Context())
			return answer(a, builds, err, a.printBuilds)
		},
	}
}

var buildColors = map[string]string{
	api.BuildRunning: cyan, api.BuildSucceeded: green, api.BuildFailed: red,
	api.BuildCancelled: yellow, api.BuildInterrupted: yellow,
}

func (a *app) printBuilds(builds []api.BuildInfo) {
	t := a.table("ID", "NAME", "STATE", "STARTED", "TIME", "COMMIT", "URL")
	var rows [][]cell
	for _, b := range builds {
		state := b.State
		if b.Position > 0 {
			state += " (" + strconv.Itoa(b.Position) + ")"
		}
		row := plainCells([]string{b.ID, b.Name, state, age(b.Started), seconds(b.Seconds), orDash(short(b.Commit)), b.URL})
		row[2].color = buildColors[b.State]
		rows = append(rows, row)
	}
	t.write(rows...)
}

func (a *app) cancelBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel-build ID...",
		Short: "Stop builds, for all who wait for them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.each(cmd.Context(), ids, func(id string) error {
				build, err := a.client.CancelBuild(cmd.Context(), id)
				return answer(a, build, err, func(b api.BuildInfo) { a.printf("%s %s\n", clean(b.ID), clean(b.State)) })
			})
		},
	}
}
