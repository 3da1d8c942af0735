//go:build !unix

package pool

func checkDescriptors(int) error { return nil }

func tooManyFiles(err error) error { return err }
